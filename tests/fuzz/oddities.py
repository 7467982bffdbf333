"""Objects that users pass by mistake as series: of a wrong type, shape or content."""

import array
import collections
import datetime
import decimal
import pathlib

import numpy as np
import pandas as pd
import scipy.sparse
import torch
from hypothesis import strategies as st

from tests.fuzz.choices import Made, among
from tests.fuzz.parameters import CannotBeShown
from tests.fuzz.series import DEEP, FLAT, RAGGED, values_of

N, T = 6, 8
FLAT_SERIES = values_of((N, T), "noise", 1)
DEEP_SERIES = values_of((N, 1, T), "noise", 2)

SPOILS = {
    "NaN": np.nan,
    "infinity": np.inf,
    "-infinity": -np.inf,
    "beyond float32": 1e39,
    "largest of float32": 3.4028235e38,
    "largest of float64": 1.7e308,
    "tiny": 1e-320,
    "negative zero": -0.0,
    "large": 1e20,
}
ODD_CELLS = [
    *(None, "high", "1.5", b"1", "", 1j, True, {}, [], [1.0], (), object(), pd.NA, pd.NaT, 10**400),
    *(decimal.Decimal("1.5"), decimal.Decimal("NaN"), datetime.date(2020, 1, 1), np.nan, np.inf),
    *(np.datetime64("2020"), np.float32(1), np.array([1.0, 2.0]), np.array(1.0), torch.tensor(1.0)),
    *(CannotBeShown(), len, float, ..., 2**70, -(2**70), np.longdouble("1e400"), np.str_("x")),
]


def _with_cell(X, cell, row, time):
    X = X.astype(object)
    X[(row, ..., time) if X.ndim == 2 else (row, 0, time)] = None
    X[row][time] = cell if X.ndim == 2 else X[row][time]
    if X.ndim == 3:
        X[row, 0, time] = cell
    return X


@st.composite
def spoiled(draw):
    """Series in a container, with a value or a cell in it that is no plain number."""
    deep = draw(st.booleans())
    X = (DEEP_SERIES if deep else FLAT_SERIES).copy()
    row, time = draw(st.integers(0, N - 1)), draw(st.integers(0, T - 1))
    if draw(st.booleans()):
        X[row, ..., time] = SPOILS[draw(st.sampled_from(sorted(SPOILS)))]
        names = sorted(DEEP if deep else FLAT)
        safe = [name for name in names if "int" not in name.lower()]
        return _packed(X, (DEEP if deep else FLAT)[draw(st.sampled_from(safe))])
    cell = draw(among(ODD_CELLS))
    objects = np.empty(X.shape, dtype=object)
    objects[...] = X
    place = (row, 0, time) if deep else (row, time)
    objects[place] = cell if not isinstance(cell, np.ndarray) else None
    held = draw(st.sampled_from(["objects", "nested lists", "list of arrays", "frame"]))
    if held == "nested lists":
        lists = objects.tolist()
        (lists[row][0] if deep else lists[row])[time] = cell
        return lists
    if held == "list of arrays":
        return list(objects)
    return objects if deep or held == "objects" else pd.DataFrame(objects, dtype=object)


def _packed(X, pack):
    """Series in a container; as they are if it cannot hold them."""
    with np.errstate(all="ignore"):
        try:
            return pack(X)
        except (ValueError, OverflowError, TypeError):
            return X


def shapes():
    """Arrays of any small shape, with up to five axes."""
    return st.builds(
        lambda shape, seed: (
            values_of(tuple(shape), "noise", seed) if shape else np.array(float(seed))
        ),
        st.lists(st.integers(0, 7), max_size=5),
        st.integers(0, 9),
    )


def _frame(**columns):
    return pd.DataFrame(columns)


def objects():
    """Objects that are no series, or only just."""
    rows = FLAT_SERIES.tolist()
    flat, deep = FLAT_SERIES, DEEP_SERIES
    series = [pd.Series(one) for one in flat]
    twice = pd.DataFrame(flat)
    twice.columns = ["a", "a", *range(2, T)]
    long = DEEP["pd-multiindex"](deep)
    return among(
        [
            *(None, 0, 1.5, "series", b"series", "", True, object(), len, ..., dict),
            *(
                [],
                (),
                {},
                set(),
                [[]],
                [[], []],
                [None] * N,
                [object()] * N,
                [{}] * N,
                [[None]] * N,
            ),
            *(["a"] * N, [b"a"] * N, [1.0] * N, [[1.0], 2.0], [1.0, [2.0]], [rows, rows], [[rows]]),
            *([*rows[:-1], rows[0][:3]], [*rows[:-1], []], [*rows[:-1], None], [*rows[:-1], 1.0]),
            *([*rows[:-1], "text"], [*rows[:-1], deep[0]], [*rows[:-1], rows], [rows, *rows[1:]]),
            *({"a": rows}, dict(enumerate(rows)), dict(enumerate(series))),
            *(
                Made(lambda: iter(rows)),
                Made(lambda: (one for one in rows)),
                Made(lambda: map(list, rows)),
            ),
            *(range(N), zip),
            *(collections.deque(rows), array.array("d", rows[0]), memoryview(flat), bytes(48)),
            *(pathlib.Path("series.csv"), datetime.date(2020, 1, 1), np.float64(1), np.array(None)),
            *(
                np.matrix(flat),
                np.array("text"),
                np.array([]),
                np.zeros((0, T)),
                np.zeros((N, 0)),
                np.zeros((0, 0)),
            ),
            *(np.zeros((N, 1, 0)), np.zeros((N, 0, T)), np.zeros((0, 1, T)), np.array([{}] * N)),
            *(flat.astype(complex), flat.astype(str), flat.astype("S8"), flat.astype(bool)),
            *(
                flat.astype("M8[s]"),
                flat.astype("m8[s]"),
                flat.astype("V8"),
                flat > 0,
                flat * np.nan,
            ),
            *(
                flat.astype([("a", float), ("b", float)]),
                np.rec.array(flat),
                np.char.array(["a"] * N),
            ),
            *(flat.astype("i8").astype("u8"), np.full((N, T), 2**63), np.full((N, T), -(2**63))),
            *(np.ma.masked_array(flat, mask=flat > 0), np.ma.masked_all((N, T)), np.ma.masked),
            *(scipy.sparse.csr_matrix(flat), scipy.sparse.coo_array(flat), scipy.sparse.eye(N)),
            *(torch.tensor(flat).to_sparse(), torch.zeros(N, T, device="meta"), torch.tensor(1.0)),
            *(torch.tensor(flat, dtype=torch.complex64), torch.zeros(0), torch.zeros(N, T) > 0),
            *(
                torch.quantize_per_tensor(torch.zeros(N, T), 0.1, 0, torch.qint8),
                torch.zeros(2, 2, 2, 2),
            ),
            *(torch.zeros(N, T, dtype=torch.float8_e4m3fn), [torch.zeros(T, device="meta")] * N),
            *(
                torch.nn.Parameter(torch.zeros(N, T)),
                torch.nested.nested_tensor([torch.zeros(3)] * N),
            ),
            *(pd.DataFrame(), pd.DataFrame(index=range(N)), pd.DataFrame(columns=range(T)), twice),
            *(
                pd.Series(flat[0]),
                pd.Series([], dtype=float),
                pd.Series(rows),
                pd.Series(["a"] * N),
            ),
            *(pd.Series([None] * N), pd.Index(flat[0]), pd.Categorical(["a"] * N), pd.Timestamp(0)),
            *(_frame(a=["x"] * N), _frame(a=[1.0] * N, b=["x"] * N), _frame(a=[None] * N)),
            *(_frame(a=series, b=["x"] * N), _frame(a=series, b=[1.0] * N), _frame(a=[[]] * N)),
            *(
                _frame(a=[*series[1:], None]),
                _frame(a=[*series[1:], series[0][:3]]),
                _frame(a=series[:1]),
            ),
            *(
                _frame(a=[*series[1:], "x"]),
                _frame(a=[1.0, *series[1:]]),
                _frame(a=[None, *series[1:]]),
            ),
            *(
                _frame(a=[pd.Series(["x"] * T)] * N),
                _frame(a=[pd.Series([None] * T)] * N),
                _frame(a=rows),
            ),
            *(_frame(a=[deep[0]] * N), _frame(a=[pd.DataFrame(flat)] * N), _frame(a=[{1: 2}] * N)),
            *(_frame(a=pd.to_datetime(["2020"] * N)), _frame(a=pd.Categorical(["x"] * N))),
            *(pd.DataFrame(flat).astype("Sparse[float]"), pd.DataFrame(flat > 0).astype("boolean")),
            *(
                pd.DataFrame(flat).where(flat > 0).astype("Float64"),
                pd.DataFrame(flat).astype("string"),
            ),
            *(
                pd.DataFrame(flat, columns=pd.MultiIndex.from_product([["a"], range(T)])),
                long.iloc[:0],
            ),
            *(long.iloc[:-1], long.iloc[1:], long.astype(str), long.astype(object), long * np.nan),
            *(
                long.set_axis(["x"], axis=1),
                pd.concat([long, long]),
                long.droplevel(1),
                long["channel 0"],
            ),
            *(
                pd.concat([long, long], axis=1),
                long.reset_index(),
                long.swaplevel(),
                long.iloc[::-1],
            ),
            *(
                [pd.DataFrame(flat)] * N,
                [pd.DataFrame()] * N,
                [pd.DataFrame(flat), None],
                [series, series],
            ),
            *(
                [pd.DataFrame(flat), pd.DataFrame(flat[:, :3])],
                [pd.DataFrame(flat).astype(str)] * N,
            ),
            *([pd.DataFrame(flat), pd.DataFrame(flat, columns=list("abcdefgh"))], [twice, twice]),
            *(
                [pd.DataFrame(flat), flat],
                [pd.DataFrame({"a": rows})] * N,
                [pd.DataFrame(flat)],
                series,
            ),
            *(
                np.array([{}, 1.0], dtype=object),
                np.array([[1.0, {}]] * N, dtype=object),
                [flat, deep],
            ),
            *(
                np.array([len] * N),
                np.array([b"a"] * N),
                np.array(["a"] * N, dtype=object),
                [deep] * N,
            ),
        ]
    )


@st.composite
def cut_short(draw):
    """Series of unequal length, where some have ended before they began, or have gaps."""
    panel = values_of((N, draw(st.integers(1, 2)), T), "noise", 3)
    for one in panel:
        one[:, draw(st.integers(0, T)) :] = np.nan
        if draw(st.booleans()):
            one[draw(st.integers(0, len(one) - 1)), draw(st.integers(0, T - 1))] = np.nan
    forms = [one for one in RAGGED if one.ndim == 3 or panel.shape[1] == 1]
    return draw(st.sampled_from(forms))(panel)


def any_series():
    """Anything that may be passed as series by mistake."""
    return st.one_of(objects(), spoiled(), shapes(), cut_short())
