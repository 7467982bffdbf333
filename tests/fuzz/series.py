"""Series as users may pass them: small panels, in every container and layout."""

import dataclasses
import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st

KINDS = ("noise", "steps", "spike", "constant in a channel", "equal series")


@st.composite
def panels(draw, n_instances=(4, 8), n_channels=(1, 3), n_timepoints=(3, 16), kinds=KINDS):
    """Panels of whole numbers from -100 to 100, which every dtype of 8 bits or more can hold."""
    shape = tuple(draw(st.integers(*sizes)) for sizes in (n_instances, n_channels, n_timepoints))
    return values_of(shape, draw(st.sampled_from(kinds)), draw(st.integers(0, 2**16)))


def values_of(shape, kind, seed):
    """Whole numbers of a kind of series, float64."""
    rng = np.random.default_rng(seed)
    panel = rng.integers(-100, 101, shape).astype(float)
    if kind == "steps":
        panel = np.sign(panel)
    elif kind == "spike":
        panel = np.where(rng.random(shape) < 1.5 / shape[-1], panel, 0.0)
    elif kind == "constant in a channel":
        panel[:, -1] = 7.0
    elif kind == "equal series":
        panel[:] = panel[:1]
    return panel


@dataclass(frozen=True)
class Container:
    """A way to pass a panel.

    Attributes
    ----------
    name : str
    ndim : {2, 3}
        Axes of the series, as the estimator counts them.
    pack : callable (panel) -> X
        Takes a float64 panel; a copy of it, so it may return a view.
    """

    name: str
    ndim: int
    pack: Callable[[np.ndarray], Any] = dataclasses.field(repr=False)

    def __call__(self, panel):
        return self.pack(panel.copy())


def _flat(panel):
    return panel[:, 0]


def _reversed(X):
    turned = np.ascontiguousarray(X[::-1, ..., ::-1])
    return turned[::-1, ..., ::-1]


def _every_second(X):
    wide = np.full((2 * len(X), *X.shape[1:-1], 3 * X.shape[-1]), np.nan)
    wide[::2, ..., ::3] = X
    return wide[::2, ..., ::3]


def _read_only(X):
    X.flags.writeable = False
    return X


def _memory_map(X):
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, dtype=X.dtype, mode="w+", shape=X.shape)
    mapped[:] = X
    return mapped


def _misaligned(X):
    raw = np.empty(X.nbytes + 1, dtype=np.uint8)[1:]
    shifted = raw.view(X.dtype).reshape(X.shape)
    shifted[:] = X
    return shifted


def _of_arrays(series):
    """An object array of one array a row."""
    X = np.empty(len(series), dtype=object)
    for i, one in enumerate(series):
        X[i] = one
    return X


class Named(np.ndarray):
    """An array of a class of the user's."""


def _dask(X):
    import dask.array

    return dask.array.from_array(X, chunks=(2, *X.shape[1:]))


DTYPES = (
    *("float16", "float32", "float64", "longdouble", ">f2", ">f4", ">f8"),
    *("int8", "int16", "int32", "int64", ">i2", ">i4", ">i8", "object"),
)
ARRAYS = {
    **{dtype: lambda X, dtype=dtype: X.astype(dtype) for dtype in DTYPES},
    "Fortran order": np.asfortranarray,
    "reversed": _reversed,
    "every second": _every_second,
    "read-only": _read_only,
    "memory map": _memory_map,
    "misaligned": _misaligned,
    "mask of nothing": lambda X: np.ma.masked_array(X, mask=False),
    "masked array without a mask": np.ma.masked_array,
    "subclass": lambda X: X.view(Named),
    "Dask": _dask,
    "nested lists": lambda X: X.tolist(),
    "nested lists of ints": lambda X: X.astype(int).tolist(),
    "list of arrays": list,
    "tuple of arrays": tuple,
    "list of lists": lambda X: [one.tolist() for one in X],
    "list of tensors": lambda X: [torch.tensor(one) for one in X],
    "list of float32": lambda X: list(X.astype(np.float32)),
    "object array of arrays": _of_arrays,
    "pandas Series of arrays": lambda X: pd.Series(list(X)),
    "tensor": torch.tensor,
    "float32 tensor": lambda X: torch.tensor(X, dtype=torch.float32),
    "bfloat16 tensor": lambda X: torch.tensor(X, dtype=torch.bfloat16),
    "int8 tensor": lambda X: torch.tensor(X, dtype=torch.int8),
    "tensor that needs gradients": lambda X: torch.tensor(X, requires_grad=True),
    "strided tensor": lambda X: torch.tensor(_every_second(X).copy())[:],
    "transposed tensor": lambda X: torch.tensor(X.swapaxes(0, -1).copy()).transpose(0, -1),
}
FLAT = {
    **ARRAYS,
    "data frame": pd.DataFrame,
    "data frame of Int64": lambda X: pd.DataFrame(X).astype("Int64"),
    "data frame of objects": lambda X: pd.DataFrame(X.astype(object)),
    "list of pandas Series": lambda X: [pd.Series(one) for one in X],
}
if importlib.util.find_spec("pyarrow"):
    FLAT["data frame of Arrow"] = lambda X: pd.DataFrame(X).astype("double[pyarrow]")


def _nested(panel, cell):
    columns = [f"channel {c}" for c in range(panel.shape[1])]
    cells = {name: [cell(one[c]) for one in panel] for c, name in enumerate(columns)}
    return pd.DataFrame(cells)


def _frames(panel, dtype=float):
    columns = [f"channel {c}" for c in range(panel.shape[1])]
    return [pd.DataFrame(one.T, columns=columns).astype(dtype) for one in panel]


def _long(panel, order=slice(None)):
    names = ["instances", "timepoints"]
    rows = pd.concat(_frames(panel), keys=range(len(panel)), names=names)
    return rows.iloc[order]


def _long_interleaved(panel):
    """Rows ordered by time, so that those of an instance are not adjacent."""
    n, _, length = panel.shape
    return _long(panel, np.arange(n * length).reshape(n, length).T.ravel())


DEEP = {
    **ARRAYS,
    "channels last, transposed": lambda X: np.ascontiguousarray(X.transpose(0, 2, 1)).transpose(
        0, 2, 1
    ),
    "nested_univ": lambda X: _nested(X, pd.Series),
    "nested_univ of arrays": lambda X: _nested(X, np.asarray),
    "nested_univ of lists": lambda X: _nested(X, list),
    "nested_univ of tuples": lambda X: _nested(X, tuple),
    "pd-multiindex": _long,
    "pd-multiindex by time": _long_interleaved,
    "df-list": _frames,
    "df-list of float32": lambda X: _frames(X, np.float32),
    "tuple of frames": lambda X: tuple(_frames(X)),
}
CONTAINERS = {
    2: [
        Container(name, 2, lambda panel, pack=pack: pack(_flat(panel)))
        for name, pack in FLAT.items()
    ],
    3: [Container(name, 3, pack) for name, pack in DEEP.items()],
}
NAMED = ("nested_univ", "pd-multiindex", "df-list", "tuple of frames")
"""Begins the names of containers whose channels have names."""


def containers(n_channels, ndim=None):
    """Containers for panels of so many channels."""
    ndims = [ndim] if ndim else [2, 3] if n_channels == 1 else [3]
    return st.sampled_from([one for n in ndims for one in CONTAINERS[n]])


@st.composite
def ragged(draw, n_instances=(4, 8), n_channels=(1, 2), lengths=(2, 12), gaps=False):
    """Series of unequal length, or with gaps, as a panel padded with NaN after their end.

    The first series has no such end.
    """
    panel = draw(panels(n_instances, n_channels, (max(3, lengths[1]),) * 2))
    n, _, longest = panel.shape
    ends = draw(st.lists(st.integers(lengths[0], longest), min_size=n - 1, max_size=n - 1))
    ends.insert(0, longest)
    if gaps:
        lost = np.random.default_rng(draw(st.integers(0, 999))).random(panel.shape) < 0.2
        panel[lost] = np.nan
    for one, end in zip(panel, ends, strict=True):
        one[:, end:] = np.nan
        one[:, [0, end - 1]] = 1.0  # so that neither a channel nor a series ends earlier
    return panel


def _cut(panel):
    ends = (~np.isnan(panel)).any(axis=1)
    longest = np.where(ends, np.arange(1, panel.shape[-1] + 1), 0).max(axis=1)
    return [one[:, :end] for one, end in zip(panel, longest, strict=True)]


def _nested_ragged(panel):
    columns = [f"channel {c}" for c in range(panel.shape[1])]
    series = _cut(panel)
    return pd.DataFrame(
        {name: [pd.Series(one[c]) for one in series] for c, name in enumerate(columns)}
    )


def _frames_ragged(panel):
    columns = [f"channel {c}" for c in range(panel.shape[1])]
    return [pd.DataFrame(one.T, columns=columns) for one in _cut(panel)]


RAGGED = [
    Container("list of arrays", 3, _cut),
    Container("tuple of float32", 3, lambda X: tuple(one.astype("f4") for one in _cut(X))),
    Container("object array", 3, lambda X: _of_arrays(_cut(X))),
    Container("list of tensors", 3, lambda X: [torch.tensor(one.copy()) for one in _cut(X)]),
    Container("list of lists", 3, lambda X: [one.tolist() for one in _cut(X)]),
    Container("padded", 3, lambda X: X),
    Container("padded, Fortran order", 3, np.asfortranarray),
    Container("padded, big-endian", 3, lambda X: X.astype(">f4")),
    Container("padded tensor", 3, torch.tensor),
    Container("padded, read-only", 3, _read_only),
    Container("df-list", 3, _frames_ragged),
    Container("nested_univ", 3, _nested_ragged),
    Container(
        "pd-multiindex",
        3,
        lambda X: pd.concat(_frames_ragged(X), keys=range(len(X)), names=["i", "t"]),
    ),
    Container("1-D: list of arrays", 2, lambda X: [one[0] for one in _cut(X)]),
    Container("1-D: list of lists", 2, lambda X: [one[0].tolist() for one in _cut(X)]),
    Container("1-D: list of Series", 2, lambda X: [pd.Series(one[0]) for one in _cut(X)]),
    Container("1-D: pandas Series", 2, lambda X: pd.Series([one[0] for one in _cut(X)])),
    Container("1-D: padded", 2, _flat),
    Container("1-D: padded data frame", 2, lambda X: pd.DataFrame(X[:, 0])),
]


def ragged_containers(n_channels, ndim=None):
    """Containers for series of unequal length."""
    return st.sampled_from(
        [
            one
            for one in RAGGED
            if one.ndim == (ndim or one.ndim) and (one.ndim == 3 or n_channels == 1)
        ]
    )
