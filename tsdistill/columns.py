"""Which column of a model's answers stands for which label."""

import numpy as np

from tsdistill.asking import name_of
from tsdistill.exceptions import TeacherError
from tsdistill.panels import in_layout, label_positions

LEAST_AGREEMENT = 0.5
SERIES_TO_BEAR_OUT = 64


def are_codes(wanted, known):
    """Whether labels are numbers that may stand for the model's own classes, in sorted order.

    Meta-estimators (voting, stacking, cross-validated probabilities) encode labels so before
    they fit their members, and a model that was fitted before knows the labels themselves.
    """
    return (
        wanted.dtype.kind in "iu"
        and wanted.min() >= 0
        and wanted.max() < len(known)
        and bool(label_positions(wanted, known)[1])
    )


def bears_out(way, known, X, labels):
    """Whether a model predicts the given labels for most of up to 64 series."""
    some = np.unique(np.linspace(0, len(X) - 1, SERIES_TO_BEAR_OUT).round().astype(int))
    panel = np.array(X[some], dtype=np.float32)
    panel = panel[:, np.newaxis] if panel.ndim == 2 else panel
    told = np.asarray(known)[way.log_proba(panel).argmax(axis=1)]
    return np.mean(told == labels[some]) > LEAST_AGREEMENT


def check_decision_values(model, way, X):
    """Refuse decision values that are not one a class, such as those of pairs of classes.

    Told by the model's own predictions, under its own names of the classes; a few may differ,
    since support vector machines break ties in another way than their decision values do.
    """
    own = getattr(model, "classes_", None)
    if own is None or not hasattr(model, "predict"):
        return
    panel = np.array(X if X.ndim == 3 else X[:, np.newaxis], dtype=np.float32)
    told = np.asarray(model.predict(in_layout(panel.copy(), way.ndim)))
    meant = np.asarray(own)[way.log_proba(panel).argmax(axis=1)]
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
        source = "y has"
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
    positions, missing = label_positions(wanted, known)
    if missing:
        raise TeacherError(
            f"teacher {name_of(model)} does not know class {few(missing)} of y; it knows "
            f"{few(known)}. Where its columns stand for the labels of y under other names, say "
            "so with Teacher(model, classes=[...])."
        )
    return positions


def few(labels, most=6):
    labels = [repr(label) for label in np.asarray(labels).tolist()]
    return ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")
