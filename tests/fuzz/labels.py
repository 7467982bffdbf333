"""Labels as users may pass them: of any type that a classifier takes, and of others."""

import datetime
import decimal
import enum
import fractions

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st

from tests.fuzz.choices import Made, among


class Movement(str, enum.Enum):
    """Labels whose names NumPy would cut to the length of their values, and so take for one."""

    UPWARD = "up"
    UPSET = "down"


class Colour(enum.Enum):
    """Labels that are no numbers and cannot be sorted."""

    RED = 1
    BLUE = 2


CLASSES = {
    "0, 1, 2": [0, 1, 2],
    "numbers from 1": [1, 2, 3],
    "negative": [-1, 0, 7],
    "large": [2**40, -(2**40), 0],
    "strings": ["b", "a", "ab"],
    "empty string": ["", " ", "nan"],
    "other letters": ["ä", "ß", "走"],
    "numbers as strings": ["10", "9", "1.0"],
    "bools": [True, False, True],
    "whole floats": [1.0, 2.0, 3.0],
    "NumPy strings": [np.str_("x"), np.str_("y"), np.str_("z")],
}
HELD = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "objects": lambda y: np.array(y, dtype=object),
    "read-only": lambda y: _read_only(np.array(y)),
    "reversed": lambda y: np.array(y[::-1])[::-1],
    "pandas Series": pd.Series,
    "pandas Series with another index": lambda y: pd.Series(y, index=range(5, 5 + len(y))),
    "Categorical": pd.Categorical,
    "categories in a Series": lambda y: pd.Series(y).astype("category"),
    "Index": pd.Index,
    "column": lambda y: np.array(y)[:, np.newaxis],
    "data frame": lambda y: pd.DataFrame({"y": y}),
    "masked array": lambda y: np.ma.masked_array(y, mask=False),
}


def _read_only(y):
    y.flags.writeable = False
    return y


@st.composite
def labels(draw, n_instances, most_classes=3):
    """Pairs of labels in a container, and the same in a list; of two classes or more."""
    kinds = draw(st.sampled_from(list(CLASSES.values())))
    if isinstance(kinds[0], bool):
        kinds = kinds[:2]
    n_classes = draw(st.integers(2, min(most_classes, len(kinds))))
    rest = draw(
        st.lists(
            st.integers(0, n_classes - 1),
            min_size=n_instances - n_classes,
            max_size=n_instances - n_classes,
        )
    )
    plain = [kinds[k] for k in [*range(n_classes), *rest]]
    numeric = isinstance(plain[0], (int, float))
    held = dict(HELD)
    if numeric:
        held["tensor"] = torch.tensor
    if numeric and all(0 <= label < 128 for label in plain):
        held |= {dtype: lambda y, d=dtype: np.array(y).astype(d) for dtype in ("u1", "i1", ">i4")}
    name = draw(st.sampled_from(sorted(held)))
    return held[name](plain), plain


def odd_labels(n_instances):
    """Labels that a classifier may refuse, for so many series."""
    n = n_instances
    halves = np.arange(n) % 2
    return among(
        [
            np.zeros(n, dtype=int),
            ["only"] * n,
            halves + 0.5,
            np.where(halves, np.nan, 0.0),
            np.where(halves, np.inf, 0.0),
            np.array([np.nan if h else "a" for h in halves], dtype=object),
            np.array([None if h else "a" for h in halves], dtype=object),
            [None] * n,
            [1 if h else "a" for h in halves],
            [b"a" if h else b"b" for h in halves],
            [b"a" if h else "b" for h in halves],
            [Colour.RED if h else Colour.BLUE for h in halves],
            [decimal.Decimal(int(h)) for h in halves],
            [fractions.Fraction(int(h), 3) for h in halves],
            [datetime.date(2020, 1, 1 + int(h)) for h in halves],
            np.array(["2020-01-01", "2020-01-02"], dtype="M8[D]")[halves],
            np.array([1, 2], dtype="m8[s]")[halves],
            halves + 1j,
            halves[:-1],
            np.append(halves, 1),
            np.arange(0),
            [],
            np.stack([halves, halves], axis=1),
            halves.reshape(1, -1),
            halves.reshape(-1, 1, 1),
            [[0, 1]] * (n - 1) + [[0]],
            [(int(h), "a") for h in halves],
            [{"label": int(h)} for h in halves],
            [np.array([h]) for h in halves],
            np.ma.masked_array(halves, mask=halves),
            pd.Series(halves).where(halves == 1).astype("Int64"),
            pd.Series(halves).astype("Int64"),
            pd.array(["a", None] * n, dtype="string")[:n],
            pd.Categorical.from_codes(halves - 1, categories=["a"]),
            pd.Series(np.array(["a", "b"])[halves], dtype="string"),
            pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"])[halves]),
            torch.tensor(halves, dtype=torch.bfloat16),
            torch.tensor(halves, dtype=torch.complex64),
            torch.tensor(halves, device="meta"),
            torch.tensor(halves).to_sparse(),
            np.array([(int(h), 1) for h in halves], dtype=[("a", int), ("b", int)]),
            halves.astype("float16"),
            halves.astype("longdouble"),
            halves.astype("V4"),
            0,
            "labels",
            b"labels",
            {"y": halves},
            set(range(n)),
            range(n),
            Made(lambda: (int(h) for h in halves)),
            object(),
            len,
            np.array(1),
            np.arange(n),
            [10**400 if h else 0 for h in halves],
            [10**400 if h else -(10**400) for h in halves],
            [float("nan")] * n,
            [2**63 if h else 5 for h in halves],  # which NumPy makes floats
            [["a"] if h else ["b"] for h in halves],
            [True if h else 2 for h in halves],
            [1 if h else 1.0 for h in halves],
            [0 if h else -0.0 for h in halves],
            [Movement.UPWARD if h else Movement.UPSET for h in halves],
            np.array(["a\0" if h else "a" for h in halves], dtype=object),
            np.array(["2020-01-01", "NaT"], dtype="M8[D]")[halves],
            pd.Series(2**53 + halves, dtype="Int64"),  # one number, as floats
        ]
    )


def n_distinct(y):
    """How many labels there are that differ, as Python compares them."""
    values = y.tolist() if hasattr(y, "tolist") else list(y)
    return len({one[0] if isinstance(one, list | np.ndarray) else one for one in values})
