"""The distilled classifier as a classifier of sktime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike
from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags
from sktime.classification.base import BaseClassifier

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.estimators.holds_teacher import HoldsTeacher
from tsdistill.estimators.scoring import accuracy_of, labels_to_score
from tsdistill.estimators.settings import check_not_own_teacher
from tsdistill.estimators.sktime_inputs import (
    check_as_many,
    labels_for_sktime,
    series_for_sktime,
)
from tsdistill.estimators.sktime_methods import SktimeMethods
from tsdistill.estimators.types import (
    ClassWeight,
    Donors,
    Memory,
    Missing,
    SaliencyMeasure,
    StudentLike,
)
from tsdistill.exceptions import PanelError
from tsdistill.inputs.formats import channel_names, check_channel_names
from tsdistill.inputs.types import Device, Float32Array, LabelArray, RandomSource, Series
from tsdistill.objectives.base import Objective
from tsdistill.students import Lite
from tsdistill.teachers.teacher import Teacher
from tsdistill.teachers.types import TeacherLike

if TYPE_CHECKING:
    from typing_extensions import Self


class SaliencyDistilledTSC(HoldsTeacher, SktimeMethods, BaseClassifier):
    """A small network that gives a teacher's answers for the teacher's reasons, for sktime.

    This is :class:`~tsdistill.SaliencyDistilledClassifier` with sktime's interface: it takes
    sktime's panel formats, and works in sktime's pipelines and searches. Its parameters are
    described at length there; there is no ``warm_start``, since ``fit`` starts anew.

    Parameters
    ----------
    teacher : classifier, torch.nn.Module, callable, Teacher, or list of these
        The model to replace. A fitted one is used as it is and never copied, cloned or
        changed; an unfitted one is cloned and fitted in ``fit``.
    student : str, Student, torch.nn.Module, callable or skorch.NeuralNetClassifier, \
            default="lite"
        The network to train.
    label_weight, soft_target_weight, saliency_weight, temperature : float
        Weights of the labels, the soft targets and the temporal saliency, and the tau.
    saliency : {"logit_change", "class", "sum", "decoupled", "gradient"}, default="logit_change"
        How the effect of a window is measured.
    auxiliary : Objective or list of Objective, default=None
        Further terms of the loss.
    window_size : int or float, default=0.1
        Length of a window, in timesteps (int) or as a fraction of the series (float).
    n_windows, n_mixtures, n_queries : int, default=None
        Windows of each series, mixtures of two series, and questions to the teacher at most.
    windows_per_step : int or float, default=1
        Perturbed copies of each series in a training step.
    donors : {"varied", "opposing", "same", "any", "mean", "zero", "noise"} or None, default=None
        What replaces a window.
    max_epochs, batch_size : int
        Epochs, where None is about 2,000 steps, and series in a step.
    lr : float, default=0.01
        Peak of the learning rate.
    device : str or torch.device, default="cpu"
        Where the student trains and predicts.
    callbacks : list of skorch callbacks, default=None
        Added to those of the net.
    validation_fraction : float, default=None
        Share of the series of each class to hold out.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in every term of the loss.
    missing : {"refuse", "mask"}, default="refuse"
        Whether NaN before the end of a series is an error, or a gap.
    memory : None, str, path or joblib.Memory, default=None
        Where the teacher's answers are kept.
    memory_size : None, int or str, default=None
        What these answers may take on the disk.
    n_jobs : int, default=None
        Number of joblib workers that query the teacher.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator, default=None
        Determines all random draws.
    verbose : int, default=0
        Above 0: progress bars.

    Attributes
    ----------
    classifier_ : SaliencyDistilledClassifier
        The fitted classifier, with ``teacher_``, ``student_`` and ``history_``.

    See Also
    --------
    tsdistill.SaliencyDistilledClassifier : The same as an estimator of scikit-learn.

    Notes
    -----
    ``get_params`` gives a fitted teacher wrapped in :class:`~tsdistill.Teacher`, which sktime's
    ``clone`` leaves as it is. It would unfit or copy a bare teacher.

    References
    ----------
    Temporal Saliency Distillation, ECAI 2025, DOI 10.3233/FAIA251144, arXiv 2601.04263.

    Examples
    --------
    >>> from sktime.classification.feature_based import SummaryClassifier
    >>> from sktime.datasets import load_unit_test
    >>> from tsdistill.sktime import SaliencyDistilledTSC
    >>> X, y = load_unit_test(split="train")
    >>> teacher = SummaryClassifier().fit(X, y)
    >>> student = SaliencyDistilledTSC(teacher, n_queries=200, max_epochs=10).fit(X, y)
    >>> student.predict(X).shape, student.explain(X).shape
    ((20,), (20, 24))
    """

    _tags = {
        "authors": ["tsdistill developers"],
        "maintainers": ["tsdistill developers"],
        "X_inner_mtype": ["df-list", "numpy3D"],
        "y_inner_mtype": "numpy1D",
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "capability:missing_values": False,
        "capability:multithreading": True,
        "capability:predict_proba": True,
        "capability:class_weight": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "python_dependencies": ["torch", "skorch"],
    }

    def __init__(
        self,
        teacher: TeacherLike,
        student: StudentLike = "lite",
        label_weight: float = 0.1,
        soft_target_weight: float = 1.0,
        saliency_weight: float | None = None,
        temperature: float = 4.0,
        saliency: SaliencyMeasure = "logit_change",
        auxiliary: Objective | Sequence[Objective] | None = None,
        window_size: float = 0.1,
        n_windows: int | None = None,
        n_mixtures: int | None = None,
        n_queries: int | None = None,
        windows_per_step: float = 1,
        donors: Donors | None = None,
        max_epochs: int | None = None,
        batch_size: int = 32,
        lr: float = 0.01,
        device: Device = "cpu",
        callbacks: Sequence[Any] | None = None,
        validation_fraction: float | None = None,
        class_weight: ClassWeight | None = None,
        missing: Missing = "refuse",
        memory: Memory | None = None,
        memory_size: int | str | None = None,
        n_jobs: int | None = None,
        random_state: RandomSource = None,
        verbose: int = 0,
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.label_weight = label_weight
        self.soft_target_weight = soft_target_weight
        self.saliency_weight = saliency_weight
        self.temperature = temperature
        self.saliency = saliency
        self.auxiliary = auxiliary
        self.window_size = window_size
        self.n_windows = n_windows
        self.n_mixtures = n_mixtures
        self.n_queries = n_queries
        self.windows_per_step = windows_per_step
        self.donors = donors
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.callbacks = callbacks
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.missing = missing
        self.memory = memory
        self.memory_size = memory_size
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()
        self.set_tags(**{"capability:missing_values": missing == "mask"})

    def fit(self, X: Series, y: ArrayLike) -> Self:
        """Ask the teacher about the series, and train the student on its answers.

        Parameters
        ----------
        X : panel in any of sktime's formats, or a list of arrays
            Training series; they may differ in length.
        y : array-like of shape (n_instances,) or (n_instances, n_outputs)
            Labels. For several outputs sktime fits one student each; those can predict, but
            explanations and reports need a single one.

        Returns
        -------
        SaliencyDistilledTSC
            The estimator itself, fitted.

        Raises
        ------
        PanelError
            If y is missing, has more than two axes or cannot be classes, or X cannot be used.
        """
        check_not_own_teacher(self)
        names, X = channel_names(X), series_for_sktime(X, self.missing == "mask")
        labels = labels_for_sktime(y, type(self).__name__)
        check_as_many(X, labels)
        before = dict(vars(self))
        try:
            super().fit(X, labels)
        except BaseException:  # sktime has reset the estimator by then
            self.__dict__.clear()
            self.__dict__.update(before)
            raise
        self._remember_names(names)
        return self

    def predict(self, X: Series) -> LabelArray:
        """Predict the labels of the series.

        Parameters
        ----------
        X : panel in any of sktime's formats, or a list of arrays
            Series.

        Returns
        -------
        ndarray of shape (n_instances,)
            One label for each series.
        """
        labels: LabelArray = super().predict(self._as_fitted(X))
        return labels

    def predict_proba(self, X: Series) -> Float32Array:
        """Give the probabilities of the classes, in the order of ``classes_``.

        Parameters
        ----------
        X : panel in any of sktime's formats, or a list of arrays
            Series.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float32
            Each row sums to 1.
        """
        proba: Float32Array = super().predict_proba(self._as_fitted(X))
        return proba

    def score(self, X: Series, y: ArrayLike, *arguments: Any, **settings: Any) -> float:
        """Compute the accuracy, or another metric, of the labels that are predicted, as in sktime.

        Parameters
        ----------
        X : panel in any of sktime's formats, or a list of arrays
            Series.
        y : array-like of shape (n_instances,)
            Labels.
        *arguments, **settings
            Further arguments of ``sktime.classification.base.BaseClassifier.score``.

        Returns
        -------
        float
            The value of the metric.
        """
        labels = labels_to_score(y)
        if arguments or settings:
            return float(super().score(X, labels, *arguments, **settings))
        return accuracy_of(labels, self.predict(X))

    def _as_fitted(self, X: Any) -> Any:
        self.check_is_fitted()
        check_channel_names(channel_names(X), self._channel_names)
        return series_for_sktime(X, self.missing == "mask", self._channel_names)

    def _fit(self, X: Any, y: LabelArray) -> Self:
        parameters = {name: getattr(self, name) for name in self.get_param_names()}
        self.classifier_ = SaliencyDistilledClassifier(**parameters).fit(X, y)
        return self

    def _predict(self, X: Any) -> LabelArray:
        return self.classifier_.predict(X)

    def _predict_proba(self, X: Any) -> Float32Array:
        return self.classifier_.predict_proba(X)

    def _classifier_and_series(self, X: Series) -> tuple[SaliencyDistilledClassifier, Any]:
        X = self._as_fitted(X)
        return self._single_classifier(), self._check_convert_X_for_predict(X)

    def _single_classifier(self) -> SaliencyDistilledClassifier:
        if hasattr(self, "classifiers_"):
            raise PanelError(
                "y of fit had several columns, with one student each; explanations and reports "
                "need a single one: fit on each column of y separately."
            )
        if not hasattr(self, "classifier_"):  # sktime predicts a single class by itself
            raise PanelError(
                "y of fit held one class only, so there is no student; fit on two classes or more."
            )
        return self.classifier_

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; a fitted teacher is wrapped in :class:`~tsdistill.Teacher`."""
        parameters = super().get_params(deep)
        teacher = parameters["teacher"]
        if not isinstance(teacher, Teacher) and Teacher(teacher).is_fitted:
            parameters["teacher"] = Teacher(teacher)
        return parameters

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also of student and auxiliary objectives, and reset the estimator."""
        super().set_params(**params)
        if params:
            self.reset()
        return self

    def __sklearn_tags__(self) -> Tags:
        # sktime's classes have no such tags, but scikit-learn's searches need them.
        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(three_d_array=True),
        )

    def clone(self) -> Self:
        """Return a new estimator with the same parameters, and the same fitted teacher.

        Returns
        -------
        SaliencyDistilledTSC
            Unfitted.
        """
        cloned: Self = self.__sklearn_clone__().set_config(**self.get_config())
        return cloned

    def reset(self) -> Self:
        """Return to the state after construction; the teacher stays as it is.

        Returns
        -------
        SaliencyDistilledTSC
            The estimator itself, unfitted.
        """
        # scikit-learn's searches and pipelines set this attribute, and remove it after fit.
        kept = {name: vars(self).get(name) for name in ("teacher", "_parent_callback_ctx")}
        super().reset()
        self.__dict__.update({name: value for name, value in kept.items() if value is not None})
        return self

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return settings for sktime's checks, which train quickly.

        Parameters
        ----------
        parameter_set : str, default="default"
            Ignored: there is one set.

        Returns
        -------
        list of dict
            Arguments of the constructor.
        """
        from sklearn.ensemble import RandomForestClassifier

        try:
            from sktime.transformations.interpolate import TSInterpolator
        except ImportError:  # where it lay before sktime 1.0
            from sktime.transformations.panel.interpolate import TSInterpolator

        forest = RandomForestClassifier(5, min_samples_leaf=3, random_state=0)
        teacher = TSInterpolator(10) * forest
        quick = {"max_epochs": 3, "n_windows": 2, "n_mixtures": 2, "random_state": 0}
        other = {"student": Lite(n_filters=2), "saliency_weight": 0.0, "missing": "mask"}
        return [{"teacher": teacher, **quick}, {"teacher": teacher, **other, **quick}]
