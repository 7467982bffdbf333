"""The state of a SwapMonitor as plain values and tensors, and back."""

from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.exceptions import ParameterError, SavedFileError
from tsdistill.inputs.checks import check_rate, check_share, is_number, is_whole
from tsdistill.swap.martingales import N_RANK_BETS, ODDS_RATIOS, Evidence
from tsdistill.swap.model_pair import holder_of
from tsdistill.swap.record import (
    ERROR_SHARES,
    MOMENT,
    MOST_MOMENTS,
    START_SCALES,
    Drift,
    Promise,
    Record,
)
from tsdistill.teachers.fingerprint import digest_of

KIND, FORMAT = "SwapMonitor", 1
COUNTS = (
    *("n_seen", "n_deferred", "n_audited", "n_asked", "n_disagreed", "n_watched", "n_waiting"),
    *("spacing", "n_failures", "n_to_skip", "n_announced"),
)
PROMISES = "audit_rate", "max_disagreement", "confidence"
WEALTH, BINS, MOMENTS = "wealth.", "bins.", "moments"
LARGEST_STATE = 2**128
LARGEST_COUNT = 2**62


def digest_of_swap(swap):
    """What tells a fitted swap from another: threshold, classes, curve, the student's weights.

    Parameters
    ----------
    swap : fitted DeferringClassifier

    Returns
    -------
    digest : str
        The same after the swap was saved and loaded. Students that cannot be pickled count by their
        answers to the series of ``fit`` alone, that is, by the curve.
    """
    student = holder_of(swap.student_)
    if isinstance(student, SaliencyDistilledClassifier):
        module = student.student_.module_
        content = [*module.parameters(), *module.buffers()]
    else:
        content = swap.student_
    classes = str(swap.classes_.dtype.kind), swap.classes_.tolist()
    curve = sorted(swap.curve_.items())
    return joblib.hash((float(swap._max_uncertainty), classes, curve, digest_of(content)))


def saved_monitor(
    record: Record, coins: np.random.Generator, swap: Any
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Configuration and tensors of a monitor, for :mod:`tsdistill.export.archive`.

    Parameters
    ----------
    record : Record
    coins : numpy.random.Generator
        Of PCG64.
    swap : fitted DeferringClassifier

    Returns
    -------
    config : dict
    tensors : dict of str to ndarray
    """
    evidences = _evidences(record)
    config = {
        "format": FORMAT,
        "kind": KIND,
        "swap": digest_of_swap(swap),
        "promise": {name: getattr(record.promise, name) for name in PROMISES},
        "counts": {name: int(getattr(record, name)) for name in COUNTS},
        "steps": {name: evidence.n_steps for name, evidence in evidences.items()},
        "alarms": sorted([name, at] for name, at in record.alarms.items()),
        "stretches": [[int(n) for n in stretch] for stretch in record.stretches],
        "generator": coins.bit_generator.state,
    }
    tensors = {WEALTH + name: np.array(one.wealth) for name, one in evidences.items()}
    tensors |= {BINS + name: np.array(drift.counts) for name, drift in record.drifts.items()}
    moments = np.array(record.moments, dtype=np.int64).reshape(-1, len(MOMENT))
    return config, tensors | {MOMENTS: moments}


def _evidences(record):
    drifts = {name: drift.evidence for name, drift in record.drifts.items()}
    return {"disagreement": record.evidence} | drifts


def restored_monitor(
    config: dict[str, Any], tensors: dict[str, NDArray[Any]], swap: Any
) -> tuple[Record, np.random.Generator]:
    """Record and generator of a monitor, from what :func:`saved_monitor` gave.

    Parameters
    ----------
    config, tensors
        Of the file.
    swap : fitted DeferringClassifier

    Returns
    -------
    record : Record
    coins : numpy.random.Generator

    Raises
    ------
    SavedFileError
        If the file holds something else, the state of the monitor of another swap, or values that
        cannot be.
    """
    if config.get("kind") != KIND:
        raise SavedFileError(
            f"the file holds a {str(config.get('kind'))[:60]}; expected a {KIND}, load it with "
            "that class."
        )
    if config.get("swap") != digest_of_swap(swap):
        raise SavedFileError(
            "the file holds the state of a monitor of another swap (of other weights, another "
            "threshold or other classes); pass the swap that it watched."
        )
    try:
        return _record_of(config, tensors, swap), _generator_of(config["generator"])
    except (KeyError, TypeError, ValueError, AttributeError, ParameterError) as error:
        if isinstance(error, SavedFileError):
            raise
        raise SavedFileError(
            f"the state of the monitor is damaged: {type(error).__name__}: {str(error)[:200]}."
        ) from error


def _record_of(config, tensors, swap):
    promise = config["promise"]
    check_rate("audit_rate", promise["audit_rate"])
    for name in PROMISES[1:]:
        check_share(name, promise[name])
    promise = Promise(**{name: float(promise[name]) for name in PROMISES})
    record = Record.new(promise, getattr(swap, "_reference", None))
    counts, alarms, stretches = config["counts"], config["alarms"], config["stretches"]
    numbers = [counts[name] for name in COUNTS] + [n for one in stretches for n in one]
    numbers += [at for _, at in alarms] + list(config["steps"].values())
    _require(all(is_whole(n) and 0 <= n <= LARGEST_COUNT for n in numbers), "a count")
    _require(counts["spacing"] > 0, "the spacing of the history")
    _require({name for name, _ in alarms} <= set(ERROR_SHARES), "an alarm")
    _require(counts["n_announced"] <= len(alarms), "an alarm")
    _require(1 <= len(stretches) <= 2 and all(len(one) == 3 for one in stretches), "a stretch")
    _require(all(one[0] > 0 for one in stretches), "a stretch")
    moments = tensors[MOMENTS]
    _require(
        moments.dtype == np.int64 and moments.ndim == 2 and moments.shape[1] == len(MOMENT)
        and len(moments) < MOST_MOMENTS and (moments >= 0).all() and (moments[:, -1] > 0).all(),
        "the history",
    )  # fmt: skip
    evidences = {}
    for name in _evidences(record):
        wealth = tensors[WEALTH + name]
        n_bets = len(ODDS_RATIOS) if name == "disagreement" else N_RANK_BETS
        usable = wealth.shape == (n_bets,) and wealth.dtype == np.float64 and (wealth >= 0).all()
        _require(usable, f"the evidence of {name}")
        evidences[name] = Evidence(wealth.tolist(), START_SCALES[name], config["steps"][name])
    for name, drift in record.drifts.items():
        bins = tensors[BINS + name]
        usable = bins.shape == (len(drift.counts),) and bins.dtype == np.int64 and (bins >= 0).all()
        _require(usable, f"the counts of {name}")
        record.drifts[name] = Drift(drift.edges, bins.tolist(), evidences[name])
    _require(
        len(tensors) == 1 + len(evidences) + len(record.drifts)
        and set(config["steps"]) == set(evidences),
        "the number of its parts",
    )
    return Record(
        promise, evidences["disagreement"], record.drifts,
        alarms=dict(map(tuple, alarms)), stretches=[tuple(one) for one in stretches],
        moments=[tuple(one) for one in moments.tolist()], **{name: counts[name] for name in COUNTS},
    )  # fmt: skip


def _generator_of(state):
    inner = state["state"]
    numbers = [inner["state"], inner["inc"], state["uinteger"], state["has_uint32"]]
    _require(
        state["bit_generator"] == "PCG64" and len(state) == 4 and len(inner) == 2
        and all(is_number(n) and is_whole(n) for n in numbers)
        and all(0 <= n < LARGEST_STATE for n in numbers[:2])
        and 0 <= numbers[2] < 2**32 and numbers[3] in (0, 1) and numbers[1] % 2 == 1,
        "the random generator",
    )  # fmt: skip
    generator = np.random.PCG64(0)
    generator.state = state
    return np.random.Generator(generator)


def _require(usable, what):
    if not usable:
        raise SavedFileError(f"the state of the monitor is damaged: {what} cannot be.")
