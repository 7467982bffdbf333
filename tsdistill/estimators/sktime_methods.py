"""What the SaliencyDistilledTSC has beside sktime's methods: explanations, fidelity, files."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import ArrayLike
from sktime.classification.base import BaseClassifier

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import SavedFileError
from tsdistill.inputs.forms import as_array_or_frames
from tsdistill.inputs.types import (
    Device,
    Fill,
    Float32Array,
    Method,
    Metric,
    Path,
    RandomSource,
    Series,
)
from tsdistill.reporting.comparison import Comparison

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator as Estimator
    from typing_extensions import Self

    from tsdistill.estimators.types import StudentLike
    from tsdistill.reporting.report import FidelityReport  # loads pandas
    from tsdistill.teachers.types import TeacherLike
else:
    Estimator = object  # the class of sktime comes after the mixin


class SktimeMethods(Estimator):
    """Mixin for the SaliencyDistilledTSC, which asks the classifier inside."""

    classifier_: SaliencyDistilledClassifier
    _channel_names: list[Any] | None

    def _classifier_and_series(self, X: Series) -> tuple[SaliencyDistilledClassifier, Any]:
        """The classifier inside, and the series as it takes them."""
        raise NotImplementedError

    def _single_classifier(self) -> SaliencyDistilledClassifier:
        """The classifier inside."""
        raise NotImplementedError

    def _remember_names(self, names: list[Any] | None) -> None:
        """Keep the channel names of fit, None if it had none, in place of those given inside."""
        self._channel_names = names
        if hasattr(self, "classifier_"):
            self.classifier_._channel_names = names
        if hasattr(self, "classifiers_"):  # a data frame of one student for each column of y
            for student in self.classifiers_.to_numpy().ravel():
                student._remember_names(names)

    def explain(
        self,
        X: Series,
        *,
        target: Any = None,
        method: Method = "occlusion",
        of: Literal["student", "teacher"] = "student",
        per_channel: bool = False,
        fill: Fill | None = None,
    ) -> Float32Array:
        """Tell what each timestep did for the prediction.

        Parameters
        ----------
        X : panel in any of sktime's formats
            Series.
        target : label, or array-like of shape (n_instances,), default=None
            The class to explain. None takes the explained model's own prediction.
        method : {"occlusion", "gradient", "integrated_gradients", "autoencoder"}, \
                default="occlusion"
            How the map is made.
        of : {"student", "teacher"}, default="student"
            Whose prediction is explained.
        per_channel : bool, default=False
            Whether to give one map for each channel.
        fill : {"opposing", "mean", "zero"}, default=None
            The baseline, see :meth:`tsdistill.SaliencyDistilledClassifier.explain`.

        Returns
        -------
        ndarray of shape (n_instances, n_timepoints), or with per_channel \
                (n_instances, n_channels, n_timepoints), float32
            In units of the target's centred logit; positive speaks for the target.
        """
        classifier, X = self._classifier_and_series(X)
        return classifier.explain(
            X, target=target, method=method, of=of, per_channel=per_channel, fill=fill
        )

    def fidelity_score(
        self,
        X: Series,
        y: ArrayLike | None = None,
        *,
        metric: Metric = "agreement",
        mask: ArrayLike | None = None,
    ) -> float:
        """Tell how closely the student follows its teacher; higher is better.

        Parameters
        ----------
        X : panel in any of sktime's formats
            Series.
        y : array-like of shape (n_instances,), default=None
            Labels, for the metrics that need them.
        metric : str, default="agreement"
            Name of the metric.
        mask : array-like of shape (n_instances, n_timepoints), bool, default=None
            The timesteps that show the class of each series, see
            :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_score`.

        Returns
        -------
        float
            The value of the metric.
        """
        classifier, X = self._classifier_and_series(X)
        return classifier.fidelity_score(X, y, metric=metric, mask=mask)

    def fidelity_report(
        self,
        X: Series,
        y: ArrayLike | None = None,
        *,
        label_only: SaliencyDistilledClassifier | None = None,
        n_explained: int = 500,
        confidence: float = 0.95,
        random_state: RandomSource = 0,
    ) -> FidelityReport:
        """Make a report to read before a teacher is replaced: answers, reasons, worst cases, costs.

        Parameters
        ----------
        X : panel in any of sktime's formats
            Series.
        y : array-like of shape (n_instances,), default=None
            Labels.
        label_only : SaliencyDistilledClassifier, default=None
            A student trained on labels alone, to compare with.
        n_explained : int, default=500
            Number of series with maps and curves.
        confidence : float in (0, 1), default=0.95
            Level of the intervals.
        random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=0
            For all random draws, see :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_report`.

        Returns
        -------
        FidelityReport
            Print it, or write it with its ``to_html(path)``.
        """
        classifier, X = self._classifier_and_series(X)
        return classifier.fidelity_report(
            X, y, label_only=label_only, n_explained=n_explained, confidence=confidence,
            random_state=random_state,
        )  # fmt: skip

    def _compare(self, X: Series) -> Comparison:
        classifier, X = self._classifier_and_series(X)
        return classifier._compare(X)

    def save(
        self,
        path: Path | None = None,
        serialization_format: Literal["pickle", "cloudpickle", "tsdistill"] = "pickle",
    ) -> Any:
        """Save to a file or to memory.

        Parameters
        ----------
        path : str, path or None
            None saves to memory, in sktime's own formats.
        serialization_format : {"pickle", "cloudpickle", "tsdistill"}, default="pickle"
            "tsdistill" writes a file for :meth:`load`; the others are sktime's own.

        Returns
        -------
        object
            What sktime's ``save`` returns; None in the format "tsdistill".
        """
        if serialization_format != "tsdistill":
            return super().save(path, serialization_format)
        self.check_is_fitted()
        inner = copy.copy(self._single_classifier())
        inner._channel_names = self._channel_names
        return inner.save(path)  # type: ignore[arg-type]  # which refuses None

    @classmethod
    def load(
        cls,
        path: Any,
        *,
        teacher: TeacherLike = None,
        student: StudentLike | None = None,
        device: Device = "cpu",
    ) -> Self:
        """Return the classifier that ``save`` wrote to a file in the format "tsdistill".

        Parameters
        ----------
        path : str or path
            The file.
        teacher : classifier, torch.nn.Module, callable, Teacher, or list of these, default=None
            The fitted teacher; what compares with it needs it.
        student : torch.nn.Module, callable or skorch.NeuralNetClassifier, default=None
            Needed if the student was a module of the user's.
        device : str or torch.device, default="cpu"
            Where the student predicts.

        Returns
        -------
        SaliencyDistilledTSC
            As :meth:`tsdistill.SaliencyDistilledClassifier.load` returns its class.
        """
        settings = {"teacher": teacher, "student": student, "device": device}
        one = SaliencyDistilledClassifier.load(path, **settings)
        if one.panel_ndim_ == 2:
            raise SavedFileError("path is of a classifier of 2-D series; load it with its class.")
        loaded = cls(**{name: getattr(one, name) for name in cls.get_param_names()})
        some = one._baselines
        series = as_array_or_frames(some.series, one.missing == "mask")
        loaded.__dict__["_fit"] = lambda X, y: None  # sktime's metadata alone
        BaseClassifier.fit(loaded, series, one.classes_[some.class_index])
        del loaded.__dict__["_fit"]
        loaded.classifier_, loaded._channel_names = one, one._channel_names
        return loaded
