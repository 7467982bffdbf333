"""Arguments of the constructor: valid values, in every type, and others."""

import decimal
import fractions
import pathlib

import numpy as np
import torch
from hypothesis import strategies as st
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback

from tests.fuzz.choices import among
from tsdistill.objectives import InputNoise
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet

SMALL = [
    FCN(n_filters=2, kernel_sizes=(3, 3, 3)),
    Lite(n_filters=2),
    ResNet(n_filters=2),
    GRU(hidden_size=3),
    Inception(n_filters=2),
]


def factory(n_channels, n_timepoints, n_classes):
    """A network that looks at means over time."""
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(n_channels * n_timepoints, n_classes)
    )


def whole(least=1, most=3):
    """Whole numbers of several types."""
    kinds = st.sampled_from([int, np.int64, np.int32, np.uint8, np.int16])
    return st.builds(lambda kind, k: kind(k), kinds, st.integers(least, most))


def real(least, most):
    """Real numbers of several types."""
    kinds = st.sampled_from([float, np.float64, np.float32, fractions.Fraction])
    return st.builds(
        lambda kind, v: kind(v), kinds, st.sampled_from([least, (least + most) / 2, most])
    )


VALID = {
    "student": st.sampled_from([*SMALL, factory]),
    "label_weight": st.one_of(real(0.1, 3), whole(1)),
    "soft_target_weight": st.one_of(real(0, 3), whole(0)),
    "saliency_weight": st.one_of(st.none(), real(0, 9), whole(0)),
    "temperature": st.one_of(real(0.5, 1000), whole(1, 9)),
    "saliency": st.sampled_from(["logit_change", "class", "sum", "decoupled"]),
    "auxiliary": st.sampled_from([None, [], InputNoise(), [InputNoise()], (None,)]),
    "window_size": st.one_of(real(0.1, 0.9), whole(1)),
    "n_windows": st.one_of(st.none(), whole(1)),
    "n_mixtures": whole(0),
    "n_queries": st.one_of(st.none(), whole(60, 99)),
    "windows_per_step": st.one_of(whole(1), real(0.25, 1)),
    "donors": st.sampled_from([None, "varied", "opposing", "any", "mean", "zero", "noise"]),
    "max_epochs": whole(1, 2),
    "batch_size": whole(1, 40),
    "lr": st.one_of(real(0.001, 1), whole(1, 1)),
    "device": st.sampled_from(["cpu", torch.device("cpu"), "cpu:0"]),
    "callbacks": st.sampled_from([None, [], [Callback()], [("own", Callback())], (Callback,)]),
    "validation_fraction": st.sampled_from([None, 0.5, np.float32(0.5), fractions.Fraction(1, 2)]),
    "class_weight": st.sampled_from([None, "balanced", {}]),
    "missing": st.sampled_from(["refuse", "mask"]),
    "warm_start": st.sampled_from([False, True, np.True_]),
    "memory_size": st.sampled_from([None, 1, 10**6, "1 MB", np.int64(10**6)]),
    "n_jobs": st.sampled_from([None, 1, np.int64(1)]),
    "random_state": st.one_of(
        st.none(),
        whole(0, 99),
        st.builds(np.random.RandomState, st.just(0)),
        st.builds(np.random.default_rng, st.just(0)),
    ),
    "verbose": st.sampled_from([0, False, np.int64(0)]),
}
NO_VALUES = ("validation_fraction", "n_mixtures")
"""Arguments whose values may not suit small sets, or take long."""


@st.composite
def valid_parameters(draw, most=4):
    """Some arguments, each with a value that can be used."""
    names = draw(st.lists(st.sampled_from(sorted(VALID)), max_size=most, unique=True))
    return {name: draw(VALID[name]) for name in names}


class WeirdNumber(float):
    """A float of a class of the user's."""


class CannotBeShown:
    """An object whose representation, comparison and truth all raise."""

    def __repr__(self):
        raise RuntimeError("no representation")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    def __bool__(self):
        raise RuntimeError("no truth")

    __hash__ = object.__hash__


ODD_VALUES = [
    *(None, True, False, np.True_, 0, 1, 2, 3, -1, 7, 2**31, 2**63, 2**64, 10**400, -(10**400)),
    *(0.0, -0.0, 0.1, 0.5, 1.0, 1.5, -0.5, 1e-300, 5e-324, 1e38, 1e39, 1e300, -1e300),
    *(float("nan"), float("inf"), float("-inf"), WeirdNumber(0.5), 1j, 0.5 + 0j),
    *(decimal.Decimal("0.5"), decimal.Decimal("NaN"), fractions.Fraction(1, 3)),
    *(np.float16(0.5), np.float32(0.5), np.float64("nan"), np.int8(1), np.uint64(2**64 - 1)),
    *(np.longdouble(0.5), np.complex64(1), np.array(1), np.array(0.5), np.array([1]), np.zeros(0)),
    *(np.array([1, 2]), np.str_("lite"), np.datetime64("2020"), np.ma.masked, torch.tensor(1)),
    *(torch.tensor(0.5), torch.tensor([1, 2]), torch.float32, torch.device("cpu")),
    *(
        "",
        "1",
        "lite",
        "LITE",
        "mean",
        "cpu",
        "cuda:99",
        "balanced",
        "mask",
        "\0",
        "ä" * 500,
        "a" * 10**5,
    ),
    *(
        b"lite",
        [],
        [1],
        (),
        (1,),
        {},
        {"a": 1},
        {0: 1.0},
        {0: -1},
        {0: np.nan},
        {0: "a"},
        {None: 1},
    ),
    *(set(), range(3), object(), object, len, lambda: None, lambda *given: None, slice(3), ...),
    *(NotImplemented, CannotBeShown(), [CannotBeShown()], {"a": CannotBeShown()}, np.random),
    *(np.random.RandomState(0), np.random.default_rng(0), np.random.SeedSequence(0)),
    *(
        pathlib.PurePath("/dev/null/x"),
        Callback,
        Callback(),
        [Callback],
        [("a", 1)],
        [(1, Callback())],
    ),
    *(FCN, FCN(n_filters=-1), FCN(n_filters="a"), FCN(n_filters=2), Lite(n_filters=np.nan)),
    *(FCN(kernel_sizes=(2, 2, 2)), FCN(kernel_sizes=3), GRU(hidden_size=0), torch.nn.Linear(3, 2)),
    *(
        torch.nn.Linear,
        torch.nn.Identity(),
        NeuralNetClassifier,
        NeuralNetClassifier(torch.nn.Linear),
    ),
    *(
        InputNoise,
        InputNoise(),
        [InputNoise(), InputNoise()],
        InputNoise(weight=-1),
        [InputNoise(), 3],
    ),
    *(InputNoise(weight=np.nan), InputNoise(weight="a")),
]
NAMES = [*sorted(set(VALID) - {"verbose"}), "memory"]


def odd_parameters():
    """The name of an argument, and a value that it may refuse."""
    return st.tuples(st.sampled_from(NAMES), among(ODD_VALUES))
