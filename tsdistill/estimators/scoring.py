"""Accuracy, of labels in any form that ``fit`` takes."""

from typing import TYPE_CHECKING

from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score

from tsdistill.exceptions import PanelError, PanelTypeError
from tsdistill.inputs.labels import as_labels, labels_of_one_type
from tsdistill.inputs.plain import as_array, as_real
from tsdistill.inputs.types import FloatArray, LabelArray, Series


def labels_to_score(y: ArrayLike | None) -> LabelArray:
    """Labels as an array; PanelError or ParameterError if they are missing or of several types."""
    if y is None:
        raise PanelError("y=None; score needs one label for each series.")
    return labels_of_one_type(as_array(as_labels(y), "y"))


def accuracy_of(
    y: LabelArray, predicted: LabelArray, sample_weight: FloatArray | None = None
) -> float:
    """The share of the labels that were predicted; PanelError if they cannot be compared.

    Parameters
    ----------
    y : ndarray of shape (n_instances,)
    predicted : ndarray of shape (n_instances,)
    sample_weight : ndarray of shape (n_instances,), default=None
    """
    if y.shape[:1] != predicted.shape[:1]:
        raise PanelError(
            f"y has shape {y.shape}; expected one label for each of the {len(predicted)} series."
        )
    try:
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))
    except (TypeError, ValueError) as error:  # names y_true, or nothing
        weighted = "" if sample_weight is None else ", with this sample_weight"
        kind = PanelTypeError if isinstance(error, TypeError) else PanelError
        raise kind(
            f"y cannot be compared with the predictions{weighted}: {error}. Expected one of "
            "the labels of fit for each series."
        ) from error


class ScoresLabels:
    """Mixin with the accuracy of ``predict``."""

    if TYPE_CHECKING:

        def predict(self, X: Series) -> LabelArray: ...

    def score(self, X: Series, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Compute the accuracy of the labels that are predicted.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.
        y : array-like of shape (n_instances,)
            Labels.
        sample_weight : array-like of shape (n_instances,), default=None
            Weight of each series.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        PanelError
            If y is missing, is not one label for each series, or its labels are of several types
            or of another type than those of ``fit``.
        """
        y = labels_to_score(y)
        if sample_weight is not None:
            sample_weight = as_real(sample_weight, "sample_weight", PanelError)
        return accuracy_of(y, self.predict(X), sample_weight)
