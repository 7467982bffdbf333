"""What ``fit`` is given: read and checked into records, before anything is queried or trained."""

import numpy as np

from tsdistill.exceptions import PanelError, ParameterError, TeacherError
from tsdistill.inputs.labels import encode_labels, labels_of_one_type
from tsdistill.inputs.lengths import joined
from tsdistill.inputs.panel import as_panel, check_resolution
from tsdistill.inputs.series import match_series, read_series
from tsdistill.inputs.weights import check_sample_weight, class_factors
from tsdistill.training.transfer_set import TrainingSeries


def read_fit_inputs(estimator, teacher, X, y, sample_weight, X_unlabelled, *, continues):
    """Read what ``fit`` was given; the estimator is not changed.

    Parameters
    ----------
    estimator : SaliencyDistilledClassifier
        With checked settings.
    teacher : Teacher
        Fitted or not.
    X, y, sample_weight, X_unlabelled
        As given to ``fit``.
    continues : bool
        Whether a student is trained further; the series then have to match those of its fit.

    Returns
    -------
    series : TrainingSeries
    series_format : SeriesFormat or None
        None if a student is trained further: the format of its fit stays.

    Raises
    ------
    PanelError, ParameterError, TeacherError, ValueError, TypeError
        Each names the argument.
    """
    if y is None and not teacher.is_fitted:
        raise TeacherError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None: its teacher is not fitted, so nothing can label X. Pass y, or a fitted "
            "teacher."
        )
    series_format, classes, labels = None, None, None
    gaps = estimator.missing == "mask"
    if continues and gaps != takes_gaps(estimator):
        raise ParameterError(
            f"missing={estimator.missing!r}, but warm_start=True trains a student further that was "
            "fitted with the other setting, and has other layers; leave missing as it was, or set "
            "warm_start=False."
        )
    if not continues:
        X, y, series_format = read_series(estimator, X, y, uneven=True, gaps=gaps)
    elif y is None:
        X = match_series(estimator, X)
    else:
        X, y = match_series(estimator, X, y)
    weight = check_sample_weight(sample_weight, len(X))
    teacher_weight = None
    if y is not None:
        y = labels_of_one_type(y)
        classes, labels = encode_labels(y)
        factors = class_factors(estimator.class_weight, classes, labels, weight)
        if not (teacher.is_fitted or (sample_weight is None and estimator.class_weight is None)):
            teacher_weight = weight * factors[labels]  # not scaled: to some models it matters
    panel = as_panel(X)
    check_resolution(X, panel)
    if estimator.warm_start and np.may_share_memory(panel, X):
        panel = panel.copy()  # it is kept beyond this fit, and the user may change X
    if X_unlabelled is not None:
        more = _unlabelled_panel(estimator, X_unlabelled, series_format)
        panel = joined(panel, more)
        weight = np.concatenate([weight, np.ones(len(more))])
    form = estimator._uneven_form if continues else series_format.uneven
    return TrainingSeries(X, y, panel, classes, labels, weight, teacher_weight, form), series_format


def takes_gaps(estimator):
    """Whether a fitted estimator takes series with missing values."""
    form = estimator._uneven_form
    return form is not None and form.gaps


def _unlabelled_panel(estimator, X_unlabelled, series_format):
    try:
        X_unlabelled = match_series(estimator, X_unlabelled, series_format=series_format)
        panel = as_panel(X_unlabelled)
        check_resolution(X_unlabelled, panel)
        return panel
    except ValueError as error:
        raise PanelError(f"X_unlabelled does not fit X: {error}") from error
