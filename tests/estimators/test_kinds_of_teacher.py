"""No kind of teacher may end below plain distillation: its student agrees with it as often."""

import pathlib
import runpy

import pytest

BENCHMARK = runpy.run_path(
    str(pathlib.Path(__file__).parents[2] / "benchmarks" / "kinds.py"), run_name="kinds"
)
ONE_CHANNEL, SIX_CHANNELS = BENCHMARK["ONE_CHANNEL"], BENCHMARK["SIX_CHANNELS"]
OFTEN = "one tree, hard", "ridge"
"""The kinds of teacher that are tried at each change; the others are tried once a week."""
NOISE = 0.005
"""One answer in 200; the six channels have 40 test series, so there not one may differ."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning"),
]


def all_of(kinds):
    """Names of kinds of teacher, marked."""
    return [
        kind if kind in OFTEN else pytest.param(kind, marks=pytest.mark.weekly) for kind in kinds
    ]


def check(model, X, y, X_test, max_epochs):
    kd, default = BENCHMARK["students"](model.fit(X, y), X, y, max_epochs)
    agreement = default.fidelity_score(X_test)
    assert agreement >= kd.fidelity_score(X_test) - NOISE
    assert agreement > 0.95


@pytest.mark.parametrize("kind", all_of(ONE_CHANNEL))
def test_a_teacher_of_one_channel(kind, italy):
    X, y, X_test, _ = italy
    check(ONE_CHANNEL[kind], X[:, 0], y, X_test[:, 0], 400)


@pytest.mark.parametrize("kind", all_of(SIX_CHANNELS))
def test_a_teacher_of_six_channels(kind, motions):
    X, y, X_test, _ = motions
    check(SIX_CHANNELS[kind], X, y, X_test, 300)
