"""The answers of a fitted swap: the student's where it is sure, else the teacher's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from tsdistill.inputs.series import match_series
from tsdistill.inputs.types import BoolArray, FloatArray, LabelArray, Series
from tsdistill.swap.model_pair import ModelPair

if TYPE_CHECKING:
    from tsdistill.teachers.teacher import Teacher


class AnswersOrDefers:
    """Mixin for the DeferringClassifier: what it answers, and for which series it defers."""

    student_: Any
    teacher_: Teacher
    classes_: LabelArray
    _max_uncertainty: float

    @property
    def _models(self) -> ModelPair:
        return ModelPair(self.student_, self.teacher_)

    def _student_answers(
        self, X: Series
    ) -> tuple[NDArray[Any], FloatArray, LabelArray, FloatArray]:
        """X as an array, and the student's probabilities, labels and uncertainties."""
        check_is_fitted(self, "threshold_")
        array = match_series(self, X)
        return array, *self._models.student_answers(X, array)

    def defers(self, X: Series) -> BoolArray:
        """Tell for which series the teacher is asked.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.

        Returns
        -------
        ndarray of shape (n_instances,), bool
            True where the teacher is asked.
        """
        _, _, _, uncertainty = self._student_answers(X)
        return uncertainty > self._max_uncertainty

    def predict(self, X: Series) -> LabelArray:
        """Predict the labels of the series: the student's where it is sure, else the teacher's.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.

        Returns
        -------
        ndarray of shape (n_instances,)
            One label for each series.
        """
        X, _, labels, uncertainty = self._student_answers(X)
        return self._completed(X, labels, uncertainty)[0]

    def _completed(
        self, X: NDArray[Any], labels: LabelArray, uncertainty: FloatArray
    ) -> tuple[LabelArray, BoolArray]:
        """The student's labels, with the teacher's where it is asked, and for which that is."""
        labels = labels.astype(self.classes_.dtype)
        deferred = uncertainty > self._max_uncertainty
        if deferred.any():
            labels[deferred] = self._models.teacher_labels(X[deferred])
        return labels, deferred

    def predict_proba(self, X: Series) -> FloatArray:
        """Give the probabilities of ``classes_``, from the model that answers each series.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float64
            0 for a class that the answering model does not know. Probabilities that a teacher
            gives are raised to 1e-4, and then scaled if it has a scale, see the notes of
            :class:`~tsdistill.Teacher`.
        """
        X, proba, _, uncertainty = self._student_answers(X)
        return self._completed_proba(X, proba, uncertainty)[0]

    def _completed_proba(
        self, X: NDArray[Any], proba: FloatArray, uncertainty: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """The student's probabilities, with the teacher's where it is asked, and where that is."""
        deferred = uncertainty > self._max_uncertainty
        return self._models.proba_of_both(X, proba, deferred), deferred
