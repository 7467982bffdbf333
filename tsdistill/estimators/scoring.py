"""Accuracy, of labels in any form that ``fit`` takes."""

import numpy as np
from sklearn.metrics import accuracy_score

from tsdistill.exceptions import PanelError
from tsdistill.inputs.labels import labels_of_one_type
from tsdistill.inputs.plain import as_plain, as_real


def labels_to_score(y):
    """Labels as an array; PanelError if they are missing or of several types."""
    if y is None:
        raise PanelError("y=None; score needs one label for each series.")
    return labels_of_one_type(np.asarray(as_plain(y, "y")))


class ScoresLabels:
    """Mixin with the accuracy of ``predict``."""

    def score(self, X, y, sample_weight=None):
        """Accuracy of the labels that are predicted.

        Parameters
        ----------
        X : array-like, with the axes, channels and timepoints of the series of ``fit``
        y : array-like of shape (n_instances,)
            Labels.
        sample_weight : array-like of shape (n_instances,), default=None

        Returns
        -------
        accuracy : float in [0, 1]

        Raises
        ------
        PanelError
            If y is missing, or its labels are of several types.
        """
        y = labels_to_score(y)
        if sample_weight is not None:
            sample_weight = as_real(sample_weight, "sample_weight", PanelError)
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)
