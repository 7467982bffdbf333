"""Whether a teacher knows its training series by heart.

Forests of fully grown trees answer 1.0 for each series that they were fitted on, and far less for
any other series. What a window changes in such a series is mostly that the memory fades, not what
the teacher would see in a series that it does not know.
"""

import numpy as np

from tsdistill.exceptions import MemorisedWarning, warn_user
from tsdistill.numerics.logits import centred
from tsdistill.perturbation.mixtures import mix
from tsdistill.teachers.querying import query

PROBES, SHARE = 64, 0.95
LEAST_KEPT = 0.85


def certainty_kept(teacher, panel, log_proba, rng, options):
    """Which part of its certainty a teacher keeps when series are mixed with a little of others.

    Certainty is the centred logit of the class that the teacher predicts for a series. It is
    compared between the series and a mixture of 95 % of them with 5 % of another series, a change
    that hardly any classifier reacts to, unless it remembers the series themselves.

    Parameters
    ----------
    teacher : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
    log_proba : ndarray of shape (n_instances, n_classes), float32
        The teacher's answers.
    rng : numpy.random.Generator
    options : QueryOptions

    Returns
    -------
    kept : float
        The ratio of the mean certainties: near 1 for teachers that generalise, lower for those
        that remember (``benchmarks/kinds.py --kept``). 1 for a single series, which cannot be
        mixed.
    """
    if len(panel) < 2:
        return 1.0
    rows = rng.permutation(len(panel))[: n_probes(len(panel))]
    others = (rows + rng.integers(1, len(panel), size=len(rows))) % len(panel)
    probes = mix(panel[rows], panel[others], np.full(len(rows), SHARE))
    mixed = query(teacher, probes, options, title="teacher: probes")
    before, after = centred(log_proba[rows]), centred(mixed)
    predicted = before.argmax(axis=1)[:, np.newaxis]
    certainty = np.take_along_axis(before, predicted, axis=1).mean(dtype=np.float64)
    if certainty < 1e-6:  # it says the same of all series
        return 1.0
    return float(np.take_along_axis(after, predicted, axis=1).mean(dtype=np.float64) / certainty)


def n_probes(n_series):
    """Number of queries by which the certainty near some series is compared."""
    return min(n_series, PROBES) if n_series > 1 else 0


def is_memorised(kept):
    """Whether so little of the certainty is kept that the teacher knows the series by heart."""
    return kept < LEAST_KEPT


def warn_of_memory(teacher, kept):
    """Warn that the windows of series that the teacher knows by heart tell little."""
    warn_user(
        f"{teacher!r} knows its training series by heart: mixing 5 % of another series into them "
        f"takes {1 - min(max(kept, 0), 1):.0%} of its certainty. What a window changes there is "
        "mostly that its memory fades. Pass series that it was not fitted on as X_unlabelled, or "
        "leave n_mixtures=None, so that saliency is learnt from such series.",
        MemorisedWarning,
    )
