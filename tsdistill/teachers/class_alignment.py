"""Which column of a model's answers stands for which label."""

import numpy as np

from tsdistill.exceptions import TeacherError
from tsdistill.inputs.labels import class_indices, few
from tsdistill.inputs.series import in_layout
from tsdistill.teachers.adapters import name_of

LEAST_AGREEMENT = 0.5
SERIES_A_CLASS = 8


def decoded(model, adapter, known, wanted, X, class_index):
    """The model's labels that the labels of y stand for: themselves, or another's class_index.

    Meta-estimators (voting, stacking, cross-validated probabilities) encode labels as 0, 1, ...
    before they fit their members, and a model that was fitted before knows the labels themselves.

    Parameters
    ----------
    model, way
        Who is asked, and the way to ask.
    known, wanted : ndarray of shape (n_classes,)
        Labels of the model's columns, and those of y, sorted.
    X : ndarray in the user's shape
    class_index : ndarray of shape (n_instances,), int64
        The class of each series, as its position in wanted.

    Returns
    -------
    labels : ndarray of shape (n_classes,)
        ``wanted``; or all that the model knows, in sorted order, where y holds numbers
        0 .. n_classes - 1 in their place and the model's predictions bear that out class by class.

    Raises
    ------
    TeacherError
        If the numbers are labels of the model too, but its predictions say that they stand for
        others.
    """
    known = np.asarray(known)
    numbers = wanted.dtype.kind in "iu" and np.array_equal(wanted, np.arange(len(wanted)))
    if not numbers or set(wanted.tolist()) == set(known.tolist()):
        return wanted
    meant = np.unique(known)
    if class_indices(wanted, known)[1]:
        if len(meant) != len(wanted):
            return wanted
        told = _mostly_told(adapter, known, X, class_index, len(wanted))
        return meant if np.array_equal(told, meant) else wanted
    told = _mostly_told(adapter, known, X, class_index, len(wanted))
    strange = ~np.isin(told, wanted)
    if strange.any():
        raise TeacherError(
            f"y holds {few(wanted)}, and teacher {name_of(model)}, which knows {few(known)}, calls "
            f"most series of class {few(wanted[strange])} {few(told[strange])}. If y was encoded "
            "(voting, stacking and cross-validated probabilities do that), say which label each "
            "column has in y with Teacher(model, classes=[...])."
        )
    return wanted


def _mostly_told(adapter, known, X, class_index, n_classes):
    """What a model predicts most often for a few series of each class."""
    told = []
    for k in range(n_classes):
        rows = np.flatnonzero(class_index == k)
        some = rows[np.unique(np.linspace(0, len(rows) - 1, SERIES_A_CLASS).round().astype(int))]
        panel = np.array(X[some], dtype=np.float32)
        panel = panel[:, np.newaxis] if panel.ndim == 2 else panel
        told.append(np.bincount(adapter.log_proba(panel).argmax(axis=1)).argmax())
    return known[told]


def check_decision_values(model, adapter, X):
    """Refuse decision values that are not one a class, such as those of pairs of classes.

    Told by the model's own predictions, under its own names of the classes; a few may differ,
    since support vector machines break ties in another way than their decision values do.
    """
    own = getattr(model, "classes_", None)
    if own is None or not hasattr(model, "predict"):
        return
    panel = np.array(X if X.ndim == 3 else X[:, np.newaxis], dtype=np.float32)
    told = np.asarray(model.predict(in_layout(panel.copy(), adapter.ndim)))
    meant = np.asarray(own)[adapter.log_proba(panel).argmax(axis=1)]
    if np.mean(told == meant) < LEAST_AGREEMENT:
        raise TeacherError(
            f"teacher {name_of(model)} predicts {few(told)} where its decision values are "
            f"highest for {few(meant)}: they are not one value a class, in the order of its "
            "classes. For a support vector machine set decision_function_shape='ovr'; else "
            "pass a callable that returns probabilities."
        )


def classes_of_columns(model, classes, wanted, n_columns):
    """Labels of a model's columns: named by the user, known to the model, or those of y."""
    if classes is None:
        classes = getattr(model, "classes_", None)
    if classes is None:
        source = "it is asked for"
        classes = np.arange(n_columns) if wanted is None else wanted
    else:
        source = "its classes are"
    classes = np.asarray(classes)
    if len(set(classes.tolist())) != len(classes):
        raise TeacherError(
            f"teacher {name_of(model)} has columns of the same name: classes {few(classes)}; "
            "each column needs a label of its own."
        )
    if len(classes) != n_columns:
        raise TeacherError(
            f"teacher {name_of(model)} answers with {n_columns} columns, but {source} "
            f"{len(classes)} classes {few(classes)}; name the label of each column with "
            "Teacher(model, classes=[...])."
        )
    return classes


def columns_of(known, wanted, model):
    positions, missing = class_indices(wanted, known)
    if missing:
        raise TeacherError(
            f"teacher {name_of(model)} does not know class {few(missing)} of y; it knows "
            f"{few(known)}. Where its columns stand for the labels of y under other names, say "
            "so with Teacher(model, classes=[...])."
        )
    return positions
