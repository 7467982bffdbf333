import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from tests.stored import Limited, mapped, stream
from tsdistill.exceptions import PanelError
from tsdistill.inputs.stored import AsPassed, SomeRows, StoredPanel, opened
from tsdistill.inputs.stored_series import survey


@pytest.fixture
def series(rng):
    """Twenty series of two channels and seven timesteps, with a large mean."""
    return (100 + rng.normal(size=(20, 2, 7))).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def panel(series, monkeypatch):
    """Of three rows at most in a read."""
    stream(monkeypatch, series, pool_rows=8, block_rows=3, chunk_rows=4)
    return opened(Limited(series, most_rows=3))


@pytest.mark.parametrize(
    "key",
    [
        slice(2, 17),
        slice(None),
        slice(5, 5),
        slice(1, 20, 3),
        [19, 0, 3, 3, 4],
        [[1, 2], [18, 1]],
        np.arange(20) % 3 == 0,
        np.arange(0),
        [-1, 0, -20],
        7,
        -2,
    ],
    ids=str,
)
def test_rows_are_those_of_the_array_in_small_reads(panel, series, key):
    found = panel[key if isinstance(key, (slice, int)) else np.asarray(key)]
    np.testing.assert_array_equal(found, series[key])
    assert found.dtype == np.float32 and found.flags.writeable


def test_rows_that_are_not_there_are_refused(panel):
    for rows in (20, [3, -21]):
        with pytest.raises(IndexError, match="of 20 series"):
            panel[rows]


def test_far_rows_are_read_alone(panel):
    array = panel._segments[0].array
    panel[np.array([0, 2, 9, 18])]
    assert array.n_read == 4


def test_rows_of_one_chunk_are_read_together(series, monkeypatch):
    stream(monkeypatch, series, pool_rows=8, block_rows=1)
    array = Limited(series, most_rows=5, chunks=(5, 2, 7))
    np.testing.assert_array_equal(opened(array)[np.array([0, 3, 16])], series[[0, 3, 16]])
    assert array.n_read == 5


def test_parts_and_joined_panels_are_read_from_all_arrays(panel, series):
    joined = panel.joined(series[:3, :, ::-1].astype(np.float64), "X_unlabelled")
    whole = np.concatenate([series, series[:3, :, ::-1]])
    assert joined.shape == whole.shape and len(joined) == 23
    np.testing.assert_array_equal(joined[15:22], whole[15:22])
    np.testing.assert_array_equal(joined[np.array([22, 1, 20])], whole[[22, 1, 20]])
    part = joined.part(slice(18, 22))
    np.testing.assert_array_equal(part[1:], whole[19:22])
    np.testing.assert_array_equal(np.stack(list(part)), whole[18:22])
    np.testing.assert_array_equal(SomeRows(joined, np.array([21, 2]))[[0, 1]], whole[[21, 2]])


def test_chunks_are_read_ahead_in_order(panel, series):
    found = list(panel.chunks_ahead())
    assert [part for part, _ in found] == [slice(a, a + 4) for a in range(0, 20, 4)]
    np.testing.assert_array_equal(np.concatenate([chunk for _, chunk in found]), series)


def test_the_layout_is_that_of_the_user(rng, monkeypatch):
    X = rng.normal(size=(5, 6))
    stream(monkeypatch, X)
    panel = opened(Limited(X, most_rows=5))
    assert panel.shape == (5, 1, 6)
    passed = AsPassed(panel, 2)
    assert passed.shape == (5, 6) and len(passed) == 5
    np.testing.assert_array_equal(passed[:2], X[:2].astype(np.float32))


def test_an_array_of_the_whole_is_refused(panel):
    with pytest.raises(PanelError, match="these 20 series are not in memory"):
        np.isnan(panel)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e39])
def test_a_value_that_is_not_finite_is_named_with_its_place(rng, monkeypatch, value):
    X = rng.normal(size=(20, 2, 7))
    X[13, 1, 5] = value
    stream(monkeypatch, X, pool_rows=8, block_rows=3)
    found = "a missing value (NaN)" if np.isnan(value) else f"the value {value}"
    panel = opened(Limited(X, 3))
    for read in (survey, lambda panel: panel[10:15], lambda panel: panel.part(slice(9, 15))[1:]):
        with pytest.raises(PanelError) as raised:
            read(panel)
        assert str(raised.value).startswith(f"X[13] has {found} in channel 1 at timestep 5; exp")


def test_statistics_are_those_of_the_whole(panel, series):
    statistics = survey(panel)
    np.testing.assert_allclose(
        statistics.mean, series.mean(axis=(0, 2), dtype=np.float64), rtol=1e-14
    )
    exact = series.astype(np.float64).std(axis=(0, 2))
    np.testing.assert_allclose(statistics.std, exact, rtol=1e-12)


def test_a_constant_channel_has_nothing_to_lose(monkeypatch):
    X = np.full((9, 2, 5), 0.1)
    X[:, 0] += np.arange(5)
    stream(monkeypatch, X)
    assert survey(opened(Limited(X, 9))).std[1] == 0


@pytest.mark.parametrize(
    ("offset", "scale", "match"),
    [(1e9, 1.0, "channel 0 around values of 1e+09, too little"), (0, 1e-38, "multiply the series")],
)
def test_series_too_flat_for_float32_are_refused(rng, monkeypatch, offset, scale, match):
    X = offset + scale * rng.normal(size=(9, 1, 5))
    stream(monkeypatch, X)
    with pytest.raises(PanelError, match=match.replace("+", r"\+")):
        survey(opened(Limited(X, 9)))


def test_small_stored_series_are_read_whole(rng, tmp_path):
    X = rng.normal(size=(4, 1, 5)).astype(np.float32)
    array = Limited(X, most_rows=4)
    np.testing.assert_array_equal(opened(array), X)
    stored = mapped(tmp_path / "x.npy", X)
    assert opened(stored) is stored and opened(X) is X and opened(None) is None


@pytest.mark.slow
def test_an_array_that_joblib_sends_to_a_worker_is_one_in_memory():
    code = (
        "import numpy as np, joblib\n"
        "from tsdistill.inputs import stored\n"
        "def ask(X):\n"
        "    stored.LARGEST_READ_WHOLE = 0\n"
        "    return isinstance(X, np.memmap), stored.opened(X) is X\n"
        "work = joblib.Parallel(n_jobs=2, max_nbytes=1)\n"
        "print(work(joblib.delayed(ask)(X) for X in [np.ones((9, 1, 50))] * 2))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[(True, True), (True, True)]"


@pytest.mark.parametrize("kind", ["tensor", "series"])
def test_tensors_and_tables_are_in_memory(series, monkeypatch, kind):
    stream(monkeypatch, series)
    table = pd.DataFrame(series[:, 0])
    X = {"tensor": torch.nn.Parameter(torch.as_tensor(series)), "series": table[0]}[kind]
    assert opened(X) is X


def test_large_stored_series_are_not(rng):
    X = np.broadcast_to(np.float32(1), (100_000, 1, 1000))
    assert isinstance(opened(Limited(X, most_rows=0)), StoredPanel)


def test_pages_of_a_memory_map_are_let_go_and_changes_in_memory_stay(series, tmp_path, monkeypatch):
    stream(monkeypatch, series)
    np.save(tmp_path / "x.npy", series)
    for mode, value in (("r", None), ("r+", 7), ("c", 8)):
        stored = np.load(tmp_path / "x.npy", mmap_mode=mode)
        expected = series.copy()
        if value is not None:
            stored[3] = expected[3] = value
        panel = opened(stored)
        for _ in range(2):
            np.testing.assert_array_equal(panel[:], expected)
    assert (np.load(tmp_path / "x.npy")[3] == 7).all()


def lazy(shape, chunks=None, dtype=np.float32):
    """Something with no more than a shape and a type."""
    array = Limited(np.empty(0), 0, chunks)
    array.shape, array.dtype, array.ndim = shape, np.dtype(dtype), len(shape)
    return array


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            lazy((float("nan"), 1, 5)),
            "X has the unknown shape (nan, 1, 5); expected one of known numbers. Call "
            "X.compute_chunk_sizes() first, if it is a Dask array.",
        ),
        (
            lazy((8, 1, 500), chunks=(8, 1, 100)),
            "X is cut into chunks along time, of 100 of 500 timesteps, so a batch of whole series "
            "could not be read without most of the chunks. Store it in chunks of whole series: "
            "X.rechunk({0: 'auto', -1: -1}) for a Dask array, chunks=(n, 1, 500) where a file is "
            "written; or read it into memory first, if it fits.",
        ),
        (
            lazy((8, 500), chunks=((8,), (300, 200))),
            "X is cut into chunks along time, of 300 of 500 timesteps",
        ),
        (
            lazy((8,)),
            "X has shape (8,); expected (n_instances, n_timepoints) or (n_instances, n_channels, "
            "n_timepoints), with one series or more.",
        ),
        (lazy((0, 1, 5)), "X has shape (0, 1, 5); expected"),
        (lazy((8, 5), dtype="U3"), "X has values of type <U3; expected numbers."),
    ],
    ids=["unknown", "chunks", "sizes of chunks", "axes", "empty", "text"],
)
def test_what_cannot_be_read_in_batches_is_refused_at_once(array, message):
    with pytest.raises(PanelError) as raised:
        opened(array)
    assert str(raised.value).startswith(message)


def test_dask_arrays_are_read_or_refused(series, monkeypatch):
    dask = pytest.importorskip("dask.array")
    stream(monkeypatch, series, pool_rows=8, block_rows=3)
    array = dask.from_array(series, chunks=(6, 2, 7))
    panel = opened(array)
    assert panel.chunk_rows == 6
    np.testing.assert_array_equal(panel[np.array([19, 2, 11])], series[[19, 2, 11]])
    with pytest.raises(PanelError, match=r"unknown shape \(nan, 2, 7\)"):
        opened(array[array[:, 0, 0] > 100])
    with pytest.raises(PanelError, match="of 5 of 7 timesteps"):
        opened(array.rechunk((20, 2, 5)))


def test_dask_data_frames_are_refused():
    frame = type("DataFrame", (), {"__module__": "dask.dataframe.core", "divisions": (0, 9)})()
    with pytest.raises(PanelError, match=r"X is a Dask data frame, of which no batch of series"):
        opened(frame)


def test_zarr_arrays_are_read_or_refused(series, monkeypatch, tmp_path):
    zarr = pytest.importorskip("zarr")
    stream(monkeypatch, series, pool_rows=8, block_rows=3)
    settings = {"mode": "w", "shape": series.shape, "dtype": series.dtype}
    array = zarr.open(str(tmp_path / "x.zarr"), chunks=(6, 2, 7), **settings)
    array[:] = series
    np.testing.assert_array_equal(opened(array)[4:17], series[4:17])
    with pytest.raises(PanelError, match="of 2 of 7 timesteps"):
        opened(zarr.open(str(tmp_path / "y.zarr"), chunks=(6, 2, 2), **settings))
