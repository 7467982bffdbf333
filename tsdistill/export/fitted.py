"""What the exports need of a fitted classifier, in one record."""

from dataclasses import dataclass, field

import numpy as np
from skorch import NeuralNetClassifier

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import shown
from tsdistill.inputs.forms import UnevenForm
from tsdistill.perturbation.baselines import Baselines

FEWEST = 2
"""Timesteps of the shortest series that students of unequal length take."""


@dataclass(frozen=True)
class FittedStudent:
    """A fitted student, and what its explanations need.

    Attributes
    ----------
    net : skorch.NeuralNetClassifier
    classes : ndarray of shape (n_classes,)
    shape : tuple of int
        n_channels and n_timepoints.
    baselines : Baselines
    width : int or float
        Timesteps in a window; a float is a share of each series.
    bits : int, default=32
        Of a weight.
    fidelity : dict of str to float
        Measures to be written into the file, by name.
    channels : list or None
        Names of the channels.
    uneven : UnevenForm or None
        The form of series that may differ in length or have gaps.
    lengths : tuple of int or None
        Of their shortest and their longest series in ``fit``.
    """

    net: NeuralNetClassifier
    classes: np.ndarray
    shape: tuple
    baselines: Baselines
    width: float
    bits: int = 32
    fidelity: dict = field(default_factory=dict)
    channels: list | None = None
    uneven: UnevenForm | None = None
    lengths: tuple | None = None

    @property
    def range(self):
        """Fewest and most timesteps of a series that a file takes."""
        return (self.shape[1] if self.uneven is None else FEWEST), self.shape[1]


def measures_of(report: object) -> dict[str, float]:
    """Agreement, KL and saliency correlation of a FidelityReport, by name."""
    names = ("agreement", "kl", "saliency")
    if not all(hasattr(report, name) for name in names):
        raise ParameterError(
            f"report={shown(report)}; expected a FidelityReport, as fidelity_report gives it."
        )
    return {name: float(getattr(report, name)) for name in names}
