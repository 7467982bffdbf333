"""Series that wait to be ranked together."""

import numpy as np
import pytest

from tests.swap.conftest import watched_series
from tsdistill.swap.reference import Reference
from tsdistill.swap.waiting import WaitingSeries


@pytest.fixture
def reference():
    return Reference.of(np.zeros(90), watched_series(90))


@pytest.mark.parametrize(("sizes", "n_calls"), [((5, 1, 9, 1), 4), ((1,) * 16, 16), ((40,), 1)])
def test_what_comes_out_is_that_of_each_series_whenever_it_came(reference, sizes, n_calls):
    n = sum(sizes)
    X, rng, waiting = watched_series(n, 1), np.random.default_rng(0), WaitingSeries(uneven=False)
    uncertainty, draws, enough, at = rng.random(n), rng.random((n, 3)), [], 0
    for size in sizes:
        rows = slice(at, at + size)
        given = X[rows].copy()
        enough.append(waiting.add(100 + 2 * at, given, uncertainty[rows], draws[rows]))
        if not enough[-1]:
            given[:] = 1e6  # of the user, who may go on with it
        at += size
    assert enough == [False] * (n_calls - 1) + [True]
    numbers, scores, ties = waiting.taken(reference)
    starts = np.cumsum([0, *sizes[:-1]])
    expected = [100 + 2 * at + 1 + i for at, size in zip(starts, sizes, strict=True)
                for i in range(size)]  # fmt: skip
    assert numbers == expected
    assert scores == {
        "confidence": uncertainty.tolist(), "input": reference.strangeness(X).tolist()
    }  # fmt: skip
    assert ties == {"confidence": draws[:, 1].tolist(), "input": draws[:, 2].tolist()}
    assert waiting.taken(reference) == ([], {}, {})
    again = [waiting.add(i, X[:1], uncertainty[:1], draws[:1]) for i in range(16)]
    assert again == [False] * 15 + [True]


def test_series_of_unequal_length_never_wait(reference):
    waiting = WaitingSeries(uneven=True)
    for n_timepoints in (6, 4):
        X = watched_series(1)[:, :n_timepoints]
        assert waiting.add(0, X, np.zeros(1), np.zeros((1, 3)))
        assert waiting.taken(reference)[1]["input"] == reference.strangeness(X).tolist()
