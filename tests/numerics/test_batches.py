import numpy as np
import pytest

from tsdistill.numerics import batches as module
from tsdistill.numerics.batches import batches, batches_of_series, rows_that_fit


@pytest.mark.parametrize(("n_rows", "most"), [(0, 3), (1, 3), (3, 3), (10, 3), (700, None)])
def test_batches_cover_all_rows_once_in_order(n_rows, most):
    parts = batches(n_rows, most)
    rows = [row for part in parts for row in range(part.start, part.stop)]
    assert rows == list(range(n_rows))
    assert all(part.stop - part.start <= (most or module.ROWS_A_BATCH) for part in parts)


def test_at_least_one_row_fits_however_large():
    assert rows_that_fit(10, 35) == 3
    assert rows_that_fit(100, 35) == 1
    assert rows_that_fit(2**20) == 16


def test_batches_of_long_series_hold_fewer_of_them():
    long = np.broadcast_to(np.float32(0), (10, 1, 2**21))  # 8 MiB each, none of it in memory
    assert [part.stop - part.start for part in batches_of_series(long)] == [2] * 5
    assert len(batches_of_series(np.zeros((600, 1, 10), dtype=np.float32))) == 3
