"""Base of the explainers, which compute the effect of each timestep on a prediction.

The score that is explained is the target's centred logit, ``c(z)_k = z_k - mean_k z``. It is the
same number for log-probabilities, which are used if a model gives no logits. Maps are signed:
positive means that the timestep speaks for the target.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tsdistill.exceptions import ParameterError, TeacherError
from tsdistill.inputs.types import Float32Array
from tsdistill.perturbation.baselines import Baselines
from tsdistill.teachers.bound import BoundTeacher
from tsdistill.teachers.querying import QueryOptions


@dataclass(frozen=True)
class ExplainerSettings:
    """Settings of an explanation.

    Attributes
    ----------
    baselines : Baselines
        Baselines of the fitted estimator.
    width : int
        Timesteps in a window.
    fill : str, default=None
        Kind of baseline; None takes the explainer's default.
    per_channel : bool, default=False
        Whether to compute one map per channel.
    options : QueryOptions
        How the model is queried.
    log_proba : ndarray of shape (n_instances, n_classes), default=None
        The model's answers for the series; None if they are not known yet.
    """

    baselines: Baselines
    width: float
    fill: str | None = None
    per_channel: bool = False
    options: QueryOptions = field(default_factory=QueryOptions)
    log_proba: np.ndarray | None = None


@dataclass(frozen=True)
class Explainer:
    """An explainer, as the registry lists it.

    Attributes
    ----------
    name : str
        The ``method`` of :meth:`tsdistill.SaliencyDistilledClassifier.explain`.
    explain : callable (model, panel, target, settings) -> maps
        Takes a bound Teacher, series of shape (n_instances, n_channels, n_timepoints), the class
        index to explain for each series, and :class:`ExplainerSettings`. Returns maps of shape
        (n_instances, n_timepoints), or with ``per_channel`` (n_instances, n_channels,
        n_timepoints), float32.
    fills : tuple of str
        Kinds of baseline that the explainer supports.
    needs_gradients : bool, default=False
        Whether the model must be made of torch modules.
    own_maps_only : bool, default=False
        Whether the maps are the student's own, one for all channels, so that the user can choose
        neither class nor model. ``target`` is then None.
    takes_uneven : bool, default=False
        Whether series may be padded with NaN after their end, where maps are then NaN, and have
        NaN before it where values are missing.
    """

    name: str
    explain: Callable[[BoundTeacher, Float32Array, Any, ExplainerSettings], Float32Array]
    fills: tuple
    needs_gradients: bool = False
    own_maps_only: bool = False
    takes_uneven: bool = False

    def check_arguments(self, target: Any, of: str, per_channel: bool, n_channels: int) -> None:
        """Check that arguments go with maps that are the student's own.

        Parameters
        ----------
        target, of, per_channel
            See :meth:`tsdistill.SaliencyDistilledClassifier.explain`.
        n_channels : int

        Raises
        ------
        ParameterError
            If other maps than the student's own are requested.
        """
        other = target is not None or of != "student" or (per_channel and n_channels > 1)
        if self.own_maps_only and other:
            raise ParameterError(
                f"method={self.name!r} with target={target!r}, of={of!r}, per_channel="
                f"{per_channel!r}; it explains the student alone, gives one map a series, and "
                "explains the class that the teacher would predict: leave these arguments at "
                "their defaults."
            )

    def check_lengths(self, lengths: tuple[int, int] | None) -> None:
        """Raise ParameterError if the series of ``fit`` differed in length or had gaps, ``lengths``
        not None, and the explainer cannot take such series.
        """
        if lengths is not None and not self.takes_uneven:
            raise ParameterError(
                f"method={self.name!r} cannot explain series of unequal length, or with missing "
                "values, for which this classifier was fitted; use method='occlusion'."
            )

    def check_model(self, model: BoundTeacher) -> None:
        """Check that the model has the gradients that the explainer may need.

        Parameters
        ----------
        model : bound Teacher

        Raises
        ------
        TeacherError
            If the explainer needs gradients and the model is a black box.
        """
        if self.needs_gradients and not model.differentiable:
            raise TeacherError(
                f"method={self.name!r} needs a model made of torch modules, but {model!r} is a "
                "black box; use method='occlusion', which works for any model."
            )
