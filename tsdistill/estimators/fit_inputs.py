"""What ``fit`` is given: read and checked into records, before anything is queried or trained."""

from typing import Any

import numpy as np

from tsdistill.exceptions import PanelError, PanelTypeError, ParameterError, TeacherError
from tsdistill.inputs.labels import encode_labels, labels_of_one_type
from tsdistill.inputs.lengths import joined
from tsdistill.inputs.panel import as_panel, check_resolution
from tsdistill.inputs.series import SeriesFormat, match_series, read_series, with_format
from tsdistill.inputs.stored import AsPassed, StoredPanel, opened
from tsdistill.inputs.stored_series import match_stored, read_stored, survey
from tsdistill.inputs.weights import check_sample_weight, class_factors
from tsdistill.teachers.teacher import Teacher
from tsdistill.training.start import TrainingSeries


def read_fit_inputs(
    estimator: Any,
    teacher: Teacher,
    X: Any,
    y: Any,
    sample_weight: Any,
    X_unlabelled: Any,
    *,
    continues: bool,
) -> tuple[TrainingSeries, SeriesFormat | None]:
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
    opened_X, opened_more = opened(X), opened(X_unlabelled, "X_unlabelled")
    if any(isinstance(one, StoredPanel) for one in (opened_X, opened_more)):
        _check_can_be_stored(estimator, teacher)
        given = (X, opened_X), (X_unlabelled, opened_more)
        return _read_stored_inputs(estimator, *given, y, sample_weight)
    X, X_unlabelled = opened_X, opened_more
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


def _check_can_be_stored(estimator, teacher):
    """Refuse settings that need all series in memory."""
    if not teacher.is_fitted:
        raise TeacherError(
            f"{teacher!r} is not fitted, and X is not in memory, where it could be fitted on it; "
            "pass a fitted teacher."
        )
    for name, value, what in (
        ("missing", "mask", "has its gaps looked for in all series"),
        ("warm_start", True, "keeps the series beyond the fit"),
    ):
        if getattr(estimator, name) == value:
            raise ParameterError(
                f"{name}={value!r} {what}, but X is not in memory and is read a batch at a time; "
                f"leave {name} at its default, or read the series into memory, if they fit."
            )


def _read_stored_inputs(estimator, X, X_unlabelled, y, sample_weight):
    """As :func:`read_fit_inputs`, where X or X_unlabelled is not in memory.

    Both are pairs of what the user passed and what it was opened as.
    """
    (X, panel), (more, more_panel) = X, X_unlabelled
    if isinstance(panel, StoredPanel):
        y, series_format = read_stored(panel, X, y)
    else:
        X, y, series_format = read_series(estimator, panel, y)
        panel = StoredPanel.of(as_panel(X))
    n_of_x = len(panel)
    weight = check_sample_weight(sample_weight, n_of_x)
    classes, labels = (None, None) if y is None else encode_labels(labels_of_one_type(y))
    if y is not None:
        class_factors(estimator.class_weight, classes, labels, weight)
    passed = AsPassed(panel, series_format.ndim)
    if more_panel is not None:
        try:
            fitted = with_format(estimator, series_format)
            if isinstance(more_panel, StoredPanel):
                match_stored(fitted, more_panel, more)
            else:
                more_panel = as_panel(match_series(fitted, more_panel))
        except (TypeError, ValueError) as error:
            raise _does_not_fit(error) from error
        panel = panel.joined(more_panel, "X_unlabelled")
        weight = np.concatenate([weight, np.ones(len(more_panel))])
    statistics = survey(panel)
    series = TrainingSeries(passed, y, panel, classes, labels, weight, None, None, statistics)
    return series, series_format


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
    except (TypeError, ValueError) as error:
        raise _does_not_fit(error) from error


def _does_not_fit(error):
    """Build the error for X_unlabelled from that for the same series as X."""
    kind = PanelTypeError if isinstance(error, TypeError) else PanelError
    return kind(f"X_unlabelled does not fit X: {error}")
