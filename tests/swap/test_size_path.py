"""Students of several sizes: the teacher is asked once, and the smallest that will do is chosen."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from torch import nn

from tsdistill import SaliencyDistilledClassifier, size_path
from tsdistill.display import SizePathDisplay
from tsdistill.exceptions import OutOfReachError, ParameterError
from tsdistill.fidelity.intervals import clopper_pearson
from tsdistill.students import FCN, GRU, Lite
from tsdistill.swap.path_rows import on_front
from tsdistill.swap.size_path import STUDENTS, SizePath

TINY = {"lite": Lite(n_filters=2), "gru": GRU(hidden_size=4), "fcn": FCN(n_filters=4)}
QUICK = {"max_epochs": 3, "n_windows": 6, "n_mixtures": 30, "random_state": 0}


class Counting:
    """A teacher that keeps all that it is asked about."""

    def __init__(self, model):
        self.model, self.classes_, self.asked = model, model.classes_, []

    def predict_proba(self, X):
        self.asked.append(np.array(X, dtype=np.float32).reshape(len(X), -1))
        return self.model.predict_proba(X)


@pytest.fixture(scope="module")
def data(italy):
    X, y, X_new, _ = italy
    return X[:, 0], y, X_new[:120, 0]


@pytest.fixture(scope="module")
def teacher(data):
    return LogisticRegression(max_iter=2000).fit(*data[:2])


@pytest.fixture(scope="module")
def path(data, teacher):
    X, y, X_val = data
    distilled = SaliencyDistilledClassifier(teacher, **QUICK)
    return size_path(distilled, X, y, X_val, students=TINY, n_explained=40)


def test_students_come_from_the_smallest_to_the_largest(path):
    weights = path.to_frame()["weights"]
    assert weights.is_monotonic_increasing
    assert list(path.students) == list(weights.index) == ["gru", "fcn", "lite"]
    for name, student in path.students.items():
        costs = student.student_costs()
        row = path.frame.loc[name]
        assert row["weights"] == costs["weights"]
        assert row["bytes"] == costs["constant_bytes"]
        assert row["memory"] == costs["memory_bytes"]
        assert row["multiplications"] == costs["multiplications"]
    assert (path.frame["seconds"] > 0).all()
    assert path.frame["microseconds"].between(10, 10**6).all()  # up to a second


def test_each_student_is_the_one_that_a_fit_of_its_own_would_give(path, data, teacher):
    X, y, X_val = data
    for name, one in path.students.items():
        alone = SaliencyDistilledClassifier(teacher, student=TINY[name], **QUICK).fit(X, y)
        np.testing.assert_array_equal(one.predict_proba(X_val), alone.predict_proba(X_val))
        assert one.n_queries_ == alone.n_queries_


def test_the_teacher_is_asked_once_for_all(data, teacher):
    X, y, X_val = data
    counting, alone = Counting(teacher), Counting(teacher)
    size_path(
        SaliencyDistilledClassifier(counting, **QUICK), X, y, X_val, students=TINY, n_explained=20
    )
    one = SaliencyDistilledClassifier(alone, student=TINY["gru"], **QUICK).fit(X, y)
    one.fidelity_score(X_val)
    one._compare(X_val[:20]).map_of("teacher")  # as many questions as the maps of 20 series take
    asked, once = (np.concatenate(c.asked) for c in (counting, alone))
    # Finding out the form of the answers, with at most 36 series, is all that is asked again.
    assert len(asked) <= len(once) + 36 * len(TINY)
    copies = asked[len(X) + 36 :]
    n_twice = len(copies) - len(np.unique(copies, axis=0))
    n_twice_alone = len(once) - len(np.unique(once, axis=0))
    assert n_twice <= n_twice_alone + 36 * len(TINY)


def test_the_table_has_a_column_for_each_measure_and_its_bound(path):
    assert path.frame.columns.tolist() == [
        "weights", "bytes", "memory", "multiplications", "microseconds", "agreement",
        "agreement_bound", "saliency", "saliency_bound", "kl", "kl_bound", "seconds", "front",
    ]  # fmt: skip


def test_the_measures_are_those_of_the_students(path, data, teacher):
    _, _, X_val = data
    for name, student in path.students.items():
        row = path.frame.loc[name]
        agrees = student.predict(X_val) == teacher.predict(X_val)
        assert row["agreement"] == pytest.approx(agrees.mean())
        # One-sided, and for three students at once.
        low = clopper_pearson(int(agrees.sum()), len(agrees), 1 - 2 * 0.05 / 3)[0]
        assert row["agreement_bound"] == pytest.approx(low)
        assert row["kl"] == pytest.approx(-student.fidelity_score(X_val, metric="kl"), rel=1e-5)
        assert row["kl_bound"] > row["kl"]
        assert row["saliency_bound"] < row["saliency"] <= 1
    n = pd.Series({"n": path.n_instances, "explained": path.n_explained})
    assert n.tolist() == [120, 40]


def made_up(**columns):
    """A path of three students with these measures."""
    frame = pd.DataFrame(
        {"weights": [100, 1000, 10_000], "bytes": [400, 4000, 40_000]} | columns,
        index=["a", "b", "c"],
    )
    return SizePath({name: name for name in frame.index}, frame, 500, 200, 0.95)


ROWS = {
    "agreement": [0.9, 0.97, 0.99], "agreement_bound": [0.87, 0.95, 0.98],
    "saliency": [0.5, 0.8, 0.9], "saliency_bound": [0.4, 0.75, 0.88],
    "kl": [0.3, 0.1, 0.01], "kl_bound": [0.4, 0.15, 0.02],
}  # fmt: skip


@pytest.mark.parametrize(
    ("demands", "chosen"),
    [
        ({"agreement": 0.8}, "a"),
        ({"agreement": 0.9}, "b"),  # 0.9 was measured, but not shown
        ({"agreement": 0.95}, "b"),
        ({"agreement": 0.96}, "c"),
        ({"kl": 0.15}, "b"),
        ({"kl": 0.1}, "c"),
        ({"agreement": 0.8, "saliency": 0.7}, "b"),
        ({"agreement": 0.8, "saliency": 0.7, "max_bytes": 4000}, "b"),
        ({"max_weights": 1000}, "a"),
        ({"agreement": 0}, "a"),
        ({"saliency": -1}, "a"),
        ({"max_memory": 500}, "b"),
        ({"max_memory": 499}, "c"),
        ({"max_multiplications": 900}, "a"),
        ({"max_multiplications": 60}, "b"),
        ({"max_microseconds": 50}, "b"),
        ({"max_microseconds": 40}, "c"),
    ],
)
def test_the_smallest_whose_bounds_clear_the_demands_is_chosen(demands, chosen):
    costs = {"memory": [900, 500, 100], "multiplications": [900, 60, 50]}
    rows = ROWS | costs | {"microseconds": [90.0, 50.0, 40.0]}
    assert made_up(**rows).smallest(**demands) == chosen


@pytest.mark.parametrize(
    ("demands", "message"),
    [
        ({"agreement": 0.99}, r"agreement >= 0.99 \(the best, 'c', has 0.99, its bound on 500 ser"),
        ({"saliency": 0.9}, r"bound on 200 series is 0.88, 0.02 off"),
        ({"kl": 0.001}, r"kl <= 0.001 \(the best, 'c', has 0.01"),
        ({"max_weights": 50}, r"max_weights=50 \(the least is 100, of 'a'\)"),
        ({"agreement": 0.96, "max_weights": 2000}, "within the limits .* agreement >= 0.96 .*'b'"),
        ({"agreement": 0.99, "saliency": 0.99}, "agreement >= 0.99 .*; nor saliency >= 0.99"),
    ],
)  # fmt: skip
def test_what_is_out_of_reach_is_said_with_how_far(demands, message):
    with pytest.raises(OutOfReachError, match=message):
        made_up(**ROWS).smallest(**demands)


def test_demands_that_are_met_one_by_one_alone_are_told(data):
    rows = ROWS | {"saliency_bound": [0.9, 0.3, 0.3]}
    with pytest.raises(
        OutOfReachError, match="no student meets all of agreement, saliency at once"
    ):
        made_up(**rows).smallest(agreement=0.97, saliency=0.8)
    rows = ROWS | {"bytes": [40_000, 4000, 400]}
    with pytest.raises(
        OutOfReachError, match="no student meets all of max_weights, max_bytes at once"
    ):
        made_up(**rows).smallest(agreement=0.1, max_weights=500, max_bytes=500)


@pytest.mark.parametrize(
    ("demands", "message"),
    [
        ({}, "no demand was made"),
        ({"agreement": 1.2}, r"agreement=1.2; expected a number in \[0, 1\]"),
        ({"agreement": float("nan")}, "agreement=nan"),
        ({"saliency": "high"}, "saliency='high'"),
        ({"saliency": 1.01}, r"saliency=1.01; expected a number in \[-1, 1\]"),
        ({"saliency": -1.01}, r"saliency=-1.01; expected a number in \[-1, 1\]"),
        ({"agreement": -0.01}, r"agreement=-0.01; expected a number in \[0, 1\]"),
        ({"kl": -1}, "kl=-1"),
        ({"max_wieghts": 3}, "max_wieghts=3 is no limit; expected some of max_weights"),
        ({"max_bytes": 0}, "max_bytes"),
    ],
)
def test_demands_that_make_no_sense_are_refused(demands, message):
    with pytest.raises(ParameterError, match=message):
        made_up(**ROWS).smallest(**demands)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X_val": None}, "X_val=None"),
        ({"students": []}, "expected a dict of names"),
        ({"students": "lite"}, "expected a dict of names"),
        ({"students": {1: "lite"}}, "expected a dict of names"),
        ({"students": ["lite", "lite"]}, "two of one name"),
        ({"confidence": 1.0}, "confidence"),
        ({"n_explained": 0}, "n_explained"),
        ({"classifier": LogisticRegression()}, "expected a SaliencyDistilledClassifier"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(data, teacher, given, message):
    X, y, X_val = data
    given = {"classifier": SaliencyDistilledClassifier(teacher, **QUICK), "X_val": X_val} | given
    with pytest.raises(ParameterError, match=message):
        size_path(given.pop("classifier"), X, y, **given)


def test_the_classifier_stays_as_it_was(data, teacher):
    X, y, X_val = data
    distilled = SaliencyDistilledClassifier(teacher, **QUICK)
    before = clone(distilled).get_params()
    path = size_path(distilled, X, y, X_val, students={"gru": TINY["gru"]}, n_explained=5)
    assert not hasattr(distilled, "student_")
    assert {k: v for k, v in distilled.get_params().items() if k != "teacher"} == {
        k: v for k, v in before.items() if k != "teacher"
    }
    (student,) = path.students.values()
    assert student.warm_start is False
    assert student._transfer_set is None


def test_students_of_the_users_own_have_weights_and_bytes_alone(data, teacher):
    X, y, X_val = data

    def mixed(n_channels, n_timepoints, n_classes):
        layers = nn.Linear(n_timepoints, 3), nn.Softsign(), nn.Linear(3, n_classes)
        return nn.Sequential(nn.Flatten(), *layers)

    distilled = SaliencyDistilledClassifier(teacher, **QUICK)
    path = size_path(distilled, X, y, X_val, students={"own": mixed}, n_explained=5)
    assert path.frame.loc["own", ["weights", "bytes"]].tolist() == [83, 332]
    assert path.frame.loc["own", ["memory", "multiplications"]].isna().all()


def test_the_front_has_the_students_that_no_smaller_one_beats():
    frame = pd.DataFrame({"weights": [1, 2, 3, 4], "agreement": [0.8, 0.7, 0.8, 0.9]})
    assert on_front(frame).tolist() == [True, False, False, True]


def test_the_table_tells_the_front(path):
    front = path.to_frame()["front"]
    np.testing.assert_array_equal(front, on_front(path.frame))
    assert front.iloc[0] and path.frame.index.name == "student"


def test_the_default_students_begin_with_a_few_hundred_weights(data, teacher):
    counts = [
        sum(p.numel() for p in one.build(1, 150, 2).parameters()) for one in STUDENTS.values()
    ]
    assert counts == sorted(counts)
    assert 100 < counts[0] < 300
    assert len(counts) == 6
    for name, one in STUDENTS.items():
        filters = f"{one.n_filters} filter{'s' * (one.n_filters > 1)}"
        assert name == f"{type(one).__name__.lower()}, {filters}"


def test_a_picture_shows_every_student_with_its_bound(path):
    figure = plt.figure()
    display = path.plot(figure=figure)
    assert display.figure_ is figure
    agreement = display.axes_[0]
    assert {text.get_text() for text in agreement.texts} == {"gru", "fcn", "lite"}
    assert agreement.get_xscale() == "log"
    (dots,) = [line for line in agreement.lines if line.get_label() == "measured"]
    np.testing.assert_array_equal(dots.get_ydata(), path.frame["agreement"])
    assert isinstance(SizePathDisplay.from_path(path), SizePathDisplay)
