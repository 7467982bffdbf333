"""What an explainer is: one way to say what each timestep did for a prediction.

The score that is explained is the target's centred logit, ``c(z)_k = z_k - mean_k z`` (of
log-probabilities where a model gives no logits: the same number). Maps are signed: positive means
that the timestep speaks for the target.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tsdistill.exceptions import TeacherError
from tsdistill.perturbation.baselines import Baselines
from tsdistill.teachers.querying import QueryOptions


@dataclass(frozen=True)
class ExplainerSettings:
    """How series are to be explained.

    Attributes
    ----------
    baselines : Baselines
        Of the fit that the maps belong to.
    width : int
        Timesteps in a window.
    fill : str, default=None
        Kind of baseline; None is the default of the explainer.
    per_channel : bool, default=False
        Whether to give one map a channel.
    options : QueryOptions
    log_proba : ndarray of shape (n_instances, n_classes), default=None
        The model's answers to the series, where they are known already.
    """

    baselines: Baselines
    width: int
    fill: str | None = None
    per_channel: bool = False
    options: QueryOptions = field(default_factory=QueryOptions)
    log_proba: np.ndarray | None = None


@dataclass(frozen=True)
class Explainer:
    """An entry of the registry.

    Attributes
    ----------
    name : str
        The ``method`` of :meth:`tsdistill.SaliencyDistilledClassifier.explain`.
    explain : callable (model, panel, target, settings) -> maps
        From a bound Teacher, series (n_instances, n_channels, n_timepoints), the class index to
        explain for each of them and :class:`ExplainerSettings` to maps (n_instances,
        n_timepoints), or with ``per_channel`` (n_instances, n_channels, n_timepoints), float32.
    fills : tuple of str
        Kinds of baseline that it knows.
    needs_gradients : bool, default=False
        Whether the model has to be made of torch modules.
    takes_target : bool, default=True
        False where the class is not the user's to choose, nor the model: the maps are the
        student's own, and one for all channels. ``target`` is then None.
    """

    name: str
    explain: Callable
    fills: tuple
    needs_gradients: bool = False
    takes_target: bool = True

    def check_model(self, model):
        """Refuse a model that lacks what the explainer needs.

        Parameters
        ----------
        model : bound Teacher

        Raises
        ------
        TeacherError
        """
        if self.needs_gradients and not model.differentiable:
            raise TeacherError(
                f"method={self.name!r} needs a model made of torch modules, and {model!r} is a "
                "black box; use method='occlusion', which any teacher can answer."
            )
