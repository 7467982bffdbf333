"""Warns where a teacher's answers are hardly what the user wants to be learnt."""

import numpy as np

from tsdistill.exceptions import HardTeacherWarning, TeacherMismatchWarning, warn_user
from tsdistill.numerics.logits import log_softmax
from tsdistill.teachers.adapters import PROBABILITY_FLOOR

MOST_COMPARED, MOST_TIMEPOINTS = 256, 1024
WIDEST_MARGIN = 0.1


def is_hard(teacher, answers):
    """Whether all of a teacher's probabilities are 0 or 1, so that there are no soft targets.

    Parameters
    ----------
    teacher : bound Teacher
    answers : TeacherAnswers
        Answers to perturbed copies count too, since forests are often certain only about the
        series that they were fitted on.

    Returns
    -------
    hard : bool
        Never of torch modules, whose answers are hard by rounding alone.
    """
    if teacher.differentiable:
        return False
    certain = np.full((1, answers.clean.shape[1]), PROBABILITY_FLOOR)
    certain[0, 0] = 1.0
    log_one = teacher.scaled(log_softmax(np.log(certain))).max()
    both = [a for a in (answers.clean, answers.perturbed) if a is not None]
    return all(bool(np.abs(a.max(axis=-1) - log_one).max() < 1e-6) for a in both)


def warn_of_hard(teacher, answers):
    """Warn that a teacher's answers are hard, as :func:`is_hard` found."""
    copies = "" if answers.perturbed is None else " and all of their perturbed copies"
    warn_user(
        f"{teacher!r} answers all training series{copies} with probabilities of 0 and 1, so it "
        "gives no soft targets and its saliency changes in jumps. If it has decision values, "
        "use them: pass a callable that returns their softmax, or an object that has "
        "decision_function and classes_ but no predict_proba.",
        HardTeacherWarning,
    )


def warn_if_mismatched(teacher, panel, labels, log_proba):
    """Warn if a fitted teacher is so often wrong that it was hardly fitted on such series.

    Its accuracy is compared with guessing, ``1 / n_classes``, and with a nearest neighbour among
    the same series. All are means over the classes, so that frequent classes do not count more.

    Parameters
    ----------
    teacher : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        Labelled series.
    labels : ndarray of shape (n_instances,), int64
        Class indices.
    log_proba : ndarray of shape (n_instances, n_classes), float32
        The teacher's answers.
    """
    if len(np.unique(labels)) < 2:
        return
    accuracy = _mean_recall(labels, log_proba.argmax(axis=1))
    guessing = 1 / len(np.unique(labels))
    margin = min(WIDEST_MARGIN, np.sqrt(guessing * (1 - guessing) / len(labels)))
    if accuracy >= 1 - margin:
        return  # neighbours need not be asked
    some = np.linspace(0, len(labels) - 1, min(len(labels), MOST_COMPARED)).round().astype(int)
    neighbour = _mean_recall(labels[some], _nearest_labels(panel[some], labels[some]))
    if accuracy <= guessing + margin or accuracy < (guessing + neighbour) / 2:
        warn_user(
            f"{teacher!r} is right about {accuracy:.0%} of the labelled series (mean over the "
            f"classes), but guessing would be right about {guessing:.0%} and a nearest neighbour "
            f"among the same series about {neighbour:.0%}. The student learns these mistakes. "
            "Usual causes: the teacher was fitted on series of another scale, with other values in "
            "gaps, or with other axes than X; its columns have other labels: pass "
            "Teacher(model, classes=[...]); or it always answers the most frequent class.",
            TeacherMismatchWarning,
        )


def _mean_recall(labels, predicted):
    """Accuracy within each class, averaged over the classes."""
    return float(np.mean([np.mean(predicted[labels == k] == k) for k in np.unique(labels)]))


def _nearest_labels(panel, labels):
    """The label of each series' nearest neighbour among the others, channels scaled alike."""
    thinned = panel[:, :, :: -(-panel.shape[2] // MOST_TIMEPOINTS)].astype(np.float64)
    thinned -= thinned.mean(axis=(0, 2), keepdims=True)
    deviation = thinned.std(axis=(0, 2), keepdims=True)
    flat = (thinned / np.where(deviation > 0, deviation, 1)).reshape(len(panel), -1)
    squares = (flat**2).sum(axis=1)
    distances = squares[:, np.newaxis] + squares - 2 * flat @ flat.T
    np.fill_diagonal(distances, np.inf)
    return labels[distances.argmin(axis=1)]
