"""Assigns a label to each column of a model's answers."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsdistill.exceptions import TeacherError
from tsdistill.inputs.labels import class_indices, few
from tsdistill.inputs.panel import with_channels
from tsdistill.inputs.types import IntArray, LabelArray
from tsdistill.teachers.adapters import name_of

LEAST_AGREEMENT = 0.5
SERIES_A_CLASS = 8


def decoded_labels(
    model: Any,
    adapter: Any,
    known: LabelArray,
    wanted: LabelArray,
    X: NDArray[Any],
    class_index: IntArray,
) -> LabelArray:
    """Find the model's own labels for the labels of y, which may have been encoded.

    Meta-estimators (voting, stacking, cross-validated probabilities) encode labels as 0, 1, ...
    before they fit their members, but a model that was fitted before knows the original labels.

    Parameters
    ----------
    model : fitted classifier
    adapter : adapter of :mod:`tsdistill.teachers.adapters`
        Queries the model.
    known : ndarray of shape (n_columns,)
        Label of each column of the model's answers.
    wanted : ndarray of shape (n_classes,)
        Labels of y, sorted.
    X : ndarray in the user's shape
    class_index : ndarray of shape (n_instances,), int64
        Class index of each series in ``wanted``.

    Returns
    -------
    labels : ndarray of shape (n_classes,)
        ``wanted``; or ``known``, sorted, if ``wanted`` is 0 .. n_classes - 1 and the model
        predicts the k-th of the sorted labels for most series of class k, for every k.

    Raises
    ------
    TeacherError
        If ``known`` holds all of the numbers 0 .. n_classes - 1, but the model predicts labels
        that are not in ``wanted`` for most series of a class.
    """
    known = np.asarray(known)
    is_encoded = wanted.dtype.kind in "iu" and np.array_equal(wanted, np.arange(len(wanted)))
    if not is_encoded or set(wanted.tolist()) == set(known.tolist()):
        return wanted
    originals = np.unique(known)
    if class_indices(wanted, known)[1]:
        if len(originals) != len(wanted):
            return wanted
        predicted = _majority_predictions(adapter, known, X, class_index, len(wanted))
        return originals if np.array_equal(predicted, originals) else wanted
    predicted = _majority_predictions(adapter, known, X, class_index, len(wanted))
    unexpected = ~np.isin(predicted, wanted)
    if unexpected.any():
        raise TeacherError(
            f"y holds the labels {few(wanted)}, but teacher {name_of(model)}, which knows "
            f"{few(known)}, predicts {few(predicted[unexpected])} for most series of class "
            f"{few(wanted[unexpected])}. If y was encoded (by voting, stacking or "
            "cross-validation of probabilities), pass Teacher(model, classes=[...]) with the label "
            "that each column has in y."
        )
    return wanted


def _majority_predictions(adapter, known, X, class_index, n_classes):
    """The label that a model predicts most often for a few series of each class."""
    columns = []
    for k in range(n_classes):
        rows = np.flatnonzero(class_index == k)
        some = rows[np.unique(np.linspace(0, len(rows) - 1, SERIES_A_CLASS).round().astype(int))]
        panel = with_channels(np.array(X[some], dtype=np.float32))
        columns.append(np.bincount(adapter.log_proba(panel).argmax(axis=1)).argmax())
    return known[columns]


def check_decision_values(model: Any, adapter: Any, X: NDArray[Any]) -> None:
    """Raise TeacherError if decision values are not one per class, but for example one per pair.

    The class of the highest value is compared with the model's own prediction, where one value is
    highest. A few may differ, since support vector machines break near ties differently.
    """
    own = getattr(model, "classes_", None)
    if own is None or not hasattr(model, "predict"):
        return
    panel = np.array(with_channels(X), dtype=np.float32)
    predicted = np.asarray(model.predict(adapter.as_asked(panel.copy())))
    answers = adapter.log_proba(panel)
    highest = np.asarray(own)[answers.argmax(axis=1)]
    second, first = np.sort(answers, axis=1)[:, -2:].T
    predicted, highest = predicted[first > second], highest[first > second]
    if len(highest) and np.mean(predicted == highest) < LEAST_AGREEMENT:
        raise TeacherError(
            f"teacher {name_of(model)} predicts {few(predicted)} where its decision values are "
            f"highest for {few(highest)}; expected one value a class, in the order of classes_. "
            "For a support vector machine set decision_function_shape='ovr'; for other models "
            "pass a callable that returns probabilities."
        )


def classes_of_columns(
    model: Any, classes: ArrayLike | None, wanted: ArrayLike | None, n_columns: int
) -> LabelArray:
    """Label of each column of a model's answers.

    Taken from ``classes`` if the user passed them, else from the model's ``classes_``, else from
    ``wanted``, the labels of y, else 0 .. n_columns - 1.
    """
    if classes is None:
        classes = getattr(model, "classes_", None)
    if classes is None:
        source = "is asked for"
        classes = np.arange(n_columns) if wanted is None else wanted
    else:
        source = "has"
    classes = np.asarray(classes)
    if classes.ndim != 1:
        raise TeacherError(
            f"teacher {name_of(model)} has classes={classes.tolist()!r}; expected a list with the "
            "label of each column of its answers."
        )
    try:
        np.unique(classes)
    except TypeError as error:
        raise TeacherError(
            f"teacher {name_of(model)} has classes={classes.tolist()!r}, which cannot be sorted; "
            "expected labels of one type, numbers or strings."
        ) from error
    if len(set(classes.tolist())) != len(classes):
        raise TeacherError(
            f"teacher {name_of(model)} has several columns with the same label: classes "
            f"{few(classes)}; expected a different label for each column."
        )
    if len(classes) != n_columns:
        raise TeacherError(
            f"teacher {name_of(model)} answers with {n_columns} columns, but {source} "
            f"{len(classes)} classes {few(classes)}; pass Teacher(model, classes=[...]) with the "
            "label of each column."
        )
    return classes


def select_columns(known: LabelArray, wanted: LabelArray, model: Any) -> IntArray:
    """Column of each wanted label among the known ones; raise TeacherError if one is missing."""
    columns, missing = class_indices(wanted, known)
    if missing:
        raise TeacherError(
            f"teacher {name_of(model)} does not know class {few(missing)} of y; it knows "
            f"{few(known)}. If it knows these classes by other labels, pass "
            "Teacher(model, classes=[...]) with the label that each column has in y."
        )
    return columns
