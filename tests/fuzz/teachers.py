"""Teachers: good ones of every kind, and black boxes that answer oddly."""

import random
import threading

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from tests.fuzz.choices import Made, among
from tsdistill import Teacher


class Scores:
    """A black box with one column a class, each the softmax of a timestep.

    Parameters
    ----------
    n_classes : int
    """

    def __init__(self, n_classes=2):
        self.n_classes = n_classes

    def __call__(self, X):
        X = np.asarray(X, dtype=float).reshape(len(X), -1)
        scores = X[:, np.arange(self.n_classes) % X.shape[1]] / 50 + np.arange(self.n_classes) / 9
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)


class Linear(torch.nn.Module):
    """A torch module that gives logits for series of any shape."""

    def __init__(self, n_classes):
        super().__init__()
        self.head = torch.nn.LazyLinear(n_classes)

    def forward(self, X):
        return self.head(X.flatten(1) / 50)


def module(panel, n_classes):
    """A module that has seen the shape of a panel."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Linear(n_classes)
        made(torch.zeros(2, *panel.shape[1:]))
        return made


class OwnBuffer(Scores):
    """Returns a view of an array that the next answer overwrites."""

    def __init__(self, n_classes=2):
        super().__init__(n_classes)
        self.buffer = np.zeros((1000, n_classes))

    def __call__(self, X):
        self.buffer[: len(X)] = super().__call__(X)
        return self.buffer[: len(X)]


class WritesToInput(Scores):
    """Overwrites the series that it is asked about."""

    def __call__(self, X):
        answers = super().__call__(X)
        X[...] = 1e6
        return answers


class SeedsGlobals(Scores):
    """Draws from, and seeds, the global random states."""

    def __call__(self, X):
        random.random()
        np.random.rand()
        torch.rand(1)
        np.random.seed(3)
        torch.manual_seed(3)
        random.seed(3)
        return super().__call__(X)


class SetsThreads(Scores):
    """Sets the number of torch's threads, as models that use numba do."""

    def __call__(self, X):
        torch.set_num_threads(3 - torch.get_num_threads() % 3)
        return super().__call__(X)


ANSWERED_AS = {
    "list": lambda p: p.tolist(),
    "tuple of tuples": lambda p: tuple(map(tuple, p)),
    "data frame": pd.DataFrame,
    "tensor": torch.tensor,
    "tensor that needs gradients": lambda p: torch.tensor(p, requires_grad=True),
    "float32": lambda p: p.astype("f4"),
    "big-endian": lambda p: p.astype(">f8"),
    "float16": lambda p: p.astype("f2"),
    "longdouble": lambda p: p.astype("longdouble"),
    "Fortran order": np.asfortranarray,
    "objects": lambda p: p.astype(object),
    "read-only": lambda p: np.broadcast_to(p, p.shape),
    "masked array": np.ma.masked_array,
    "matrix": np.matrix,
    "zeros and ones": lambda p: (p == p.max(axis=1, keepdims=True)).astype(int),
    "bools": lambda p: p == p.max(axis=1, keepdims=True),
}


class AnswersAs(Scores):
    """Gives its answers in another type."""

    def __init__(self, name, n_classes):
        super().__init__(n_classes)
        self.name = name

    def __call__(self, X):
        return ANSWERED_AS[self.name](super().__call__(X))

    def __repr__(self):
        return f"AnswersAs({self.name!r})"


def unfitted():
    """Classifiers that ``fit`` fits."""
    return st.sampled_from(
        [
            LogisticRegression(max_iter=20),
            DecisionTreeClassifier(max_depth=2),
            RandomForestClassifier(3, random_state=0),
            KNeighborsClassifier(1),
            DummyClassifier(strategy="stratified"),
            make_pipeline(FunctionTransformer(np.tanh), LogisticRegression(max_iter=5)),
        ]
    )


@st.composite
def good_teachers(draw, panel, n_classes):
    """Teachers of so many classes for a panel, which name no labels, or are unfitted."""
    black_boxes = st.sampled_from(
        [
            *(kind(n_classes) for kind in (Scores, OwnBuffer, WritesToInput, SeedsGlobals)),
            SetsThreads(n_classes),
            *(AnswersAs(name, n_classes) for name in ANSWERED_AS),
        ]
    )
    one = st.one_of(black_boxes, st.builds(lambda: module(panel, n_classes)))
    if panel.shape[1] == 1:
        one = st.one_of(one, unfitted())
    scaled = st.builds(
        Teacher, one, scale=st.sampled_from([None, 0.5, "calibrated", np.float32(2)])
    )
    several = st.lists(black_boxes, min_size=1, max_size=3)
    return draw(st.one_of(one, scaled, several))


ERRORS = (
    *(ValueError, TypeError, KeyError, IndexError, RuntimeError, AttributeError, StopIteration),
    *(NotImplementedError, ZeroDivisionError, OSError, MemoryError, AssertionError, RecursionError),
    *(ImportError, UnicodeError, EOFError, ArithmeticError, OverflowError, GeneratorExit),
)


class Odd:
    """A black box that answers rightly until the k-th query, and then oddly.

    Parameters
    ----------
    spoil : callable (proba, X) -> answer
    name : str
    first : int
        Number of the first odd answer.
    """

    def __init__(self, spoil, name, first, n_classes=2):
        self.spoil, self.name, self.first = spoil, name, first
        self.scores, self.n_asked = Scores(n_classes), 0

    def __call__(self, X):
        self.n_asked += 1
        answers = self.scores(X)
        return answers if self.n_asked < self.first else self.spoil(answers, X)

    def __repr__(self):
        return f"Odd({self.name!r}, first={self.first})"


def _raising(error):
    def spoil(answers, X):
        raise error("the model is broken")

    return spoil


def _spoiled(value):
    def spoil(answers, X):
        answers[-1, 0] = value
        return answers

    return spoil


SPOILS = {
    **{error.__name__: _raising(error) for error in ERRORS if error is not GeneratorExit},
    "NaN": _spoiled(np.nan),
    "infinity": _spoiled(np.inf),
    "negative": _spoiled(-1.0),
    "above 1": _spoiled(1.5),
    "all NaN": lambda p, X: p * np.nan,
    "zeros": lambda p, X: p * 0,
    "percent": lambda p, X: p * 100,
    "logits": lambda p, X: np.log(p),
    "one column": lambda p, X: p[:, :1],
    "no columns": lambda p, X: p[:, :0],
    "1-D": lambda p, X: p[:, 1],
    "labels": lambda p, X: p.argmax(axis=1),
    "names": lambda p, X: np.array(["a", "b"])[p.argmax(axis=1) % 2],
    "3-D": lambda p, X: p[:, np.newaxis],
    "transposed": lambda p, X: p.T,
    "a row less": lambda p, X: p[:-1],
    "a row more": lambda p, X: np.vstack([p, p[:1]]),
    "a column more": lambda p, X: np.column_stack([p[:, :-1], p[:, -1:] / 2, p[:, -1:] / 2]),
    "None": lambda p, X: None,
    "text": lambda p, X: "class 1",
    "text in a list": lambda p, X: [["0.5", "0.5"]] * len(p),
    "a dict": lambda p, X: {"proba": p},
    "a generator": lambda p, X: (row for row in p),
    "a set": lambda p, X: set(p.ravel().tolist()),
    "an object": lambda p, X: object(),
    "complex": lambda p, X: p + 0j,
    "ragged": lambda p, X: [row[: 1 + i % 2] for i, row in enumerate(p.tolist())],
    "scalar": lambda p, X: 0.5,
    "a frame of text": lambda p, X: pd.DataFrame(p).astype(str),
    "masked": lambda p, X: np.ma.masked_array(p, mask=p > 0.5),
    "meta tensor": lambda p, X: torch.tensor(p, device="meta"),
    "sparse tensor": lambda p, X: torch.tensor(p).to_sparse(),
    "its input": lambda p, X: X,
    "objects": lambda p, X: np.array([[None] * p.shape[1]] * len(p)),
    "dates": lambda p, X: p.astype("M8[D]") if False else np.zeros(p.shape, dtype="M8[D]"),
    "structured": lambda p, X: np.zeros(p.shape, dtype=[("a", float)]),
    "huge": lambda p, X: p * 1e308 * 1e10,
    "an exception": lambda p, X: ValueError("returned, not raised"),
    "a lock": lambda p, X: threading.Lock(),
}


@st.composite
def odd_callables(draw, n_classes=2, latest=9):
    """Black boxes that answer oddly from some query on."""
    name = draw(st.sampled_from(sorted(SPOILS)))
    return Odd(SPOILS[name], name, draw(st.integers(1, latest)), n_classes)


class WithoutAnswers:
    """A fitted model that only predicts labels."""

    def predict(self, X):
        return np.zeros(len(X))


class NotRepresentable(WithoutAnswers):
    """A model whose representation raises."""

    def __repr__(self):
        raise RuntimeError("no representation")


class OddClasses(Scores):
    """A black box whose classes are not what it answers for."""

    def __init__(self, classes):
        super().__init__(2)
        self.classes_ = classes

    predict_proba = Scores.__call__

    def __repr__(self):
        return f"OddClasses({self.classes_!r})"


def odd_teachers():
    """Objects that cannot be teachers, or only just."""
    return among(
        [
            *(None, 3, 0.5, "teacher", b"", {}, set(), object(), np.zeros(3), True, [], (), [[]]),
            *([None], [3], [Scores(2), None], [[Scores(2)], Scores(2)], {"a": Scores(2)}),
            *(LinearRegression(), LogisticRegression, Scores, len, str, lambda: None),
            *(WithoutAnswers(), NotRepresentable(), torch.nn.Identity()),
            *(torch.nn.Linear(3, 2), torch.nn.Sequential(), torch.nn.LazyLinear(2), torch.nn.ReLU),
            *(Teacher(None), Teacher(3), Teacher([]), Teacher(Teacher(Scores(2)))),
            *(
                Teacher(Scores(2), scale=value)
                for value in (0, -1, np.nan, "big", np.inf, [1], 1e300)
            ),
            *(
                Teacher(Scores(2), classes=value)
                for value in (
                    3,
                    "ab",
                    [0],
                    [0, 0],
                    [0, 1, 2],
                    [[0, 1]],
                    {},
                    [None, 1],
                    ["a", 1],
                    [],
                )
            ),
            Teacher(Scores(2), classes=[0, np.nan]),
            Teacher(Scores(2), classes=np.array([0, 1])),
            *(
                OddClasses(value)
                for value in (None, 3, "ab", [0], [0, 0], [[0, 1], [0, 1]], ["x", "y"], [1, 0], {})
            ),
            [Scores(2), Scores(3)],
            [Teacher(Scores(2), classes=[0, 1]), Teacher(Scores(2), classes=["a", "b"])],
            torch.jit.script,
            np.random.default_rng,
            Made(lambda: iter([Scores(2)])),
            range(2),
        ]
    )
