"""Teachers that know their training series by heart."""

import warnings

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from tests.conftest import bump_teacher, train_network
from tsdistill.exceptions import HardTeacherWarning, MemorisedWarning
from tsdistill.inputs.panel import as_panel
from tsdistill.teachers.memorised import certainty_kept, is_memorised
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.teacher import as_teacher

pytestmark = pytest.mark.filterwarnings("error::tsdistill.exceptions.MemorisedWarning")
WARNS = pytest.warns(MemorisedWarning, match="knows its training series by heart")


def part_kept(model, X):
    """Which part of its certainty a model keeps near X."""
    teacher, panel = as_teacher(model).bind(X), as_panel(X)
    rng, options = np.random.default_rng(0), QueryOptions()
    return certainty_kept(teacher, panel, query(teacher, panel), rng, options)


@pytest.fixture(scope="module")
def by_heart(italy):
    """A forest of fully grown trees, each of which has seen all series."""
    return ExtraTreesClassifier(100, random_state=0).fit(italy[0][:, 0], italy[1])


def test_forests_know_their_own_series_by_heart_and_no_others(italy, by_heart):
    assert is_memorised(part_kept(by_heart, italy[0][:, 0]))
    assert not is_memorised(part_kept(by_heart, italy[2][:200, 0]))


@pytest.mark.parametrize(
    "model",
    [LogisticRegression(max_iter=1000), SVC(), KNeighborsClassifier(5)],
    ids=lambda model: type(model).__name__,
)
def test_models_that_generalise_are_not_taken_for_one(italy, model):
    X, y = italy[0][:, 0], italy[1]
    assert not is_memorised(part_kept(model.fit(X, y), X))


def test_a_network_is_not_taken_for_one(italy):
    X, y = italy[:2]
    assert not is_memorised(part_kept(train_network(X, y, n_filters=8, epochs=30), X))


@pytest.mark.parametrize("answer", [[1 / 3] * 3, [0.2, 0.7, 0.1]], ids=str)
def test_a_teacher_of_one_answer_keeps_all_of_its_certainty(toy, answer):
    assert part_kept(lambda X: np.tile(answer, (len(X), 1)), toy[0]) == pytest.approx(1)


def test_a_certainty_that_turns_into_its_opposite_is_not_kept(toy):
    known = {series.tobytes() for series in toy[0].astype(np.float32)}

    def remembers(X):
        is_known = np.array([series.tobytes() in known for series in X])[:, np.newaxis]
        return np.where(is_known, [[0.98, 0.01, 0.01]], [[0.01, 0.01, 0.98]])

    assert part_kept(remembers, toy[0]) < 0


@pytest.mark.parametrize("n_series", [2, 12, 63, 64, 65, 150])
def test_no_more_than_64_series_are_asked_about(n_series):
    X = np.random.default_rng(0).normal(size=(n_series, 20)).astype(np.float32)
    asked = []

    def teacher(X):
        asked.append(len(X))
        return bump_teacher(X)

    bound, answers = as_teacher(teacher).bind(X), bump_teacher(X).astype(np.float32)
    asked.clear()
    certainty_kept(bound, as_panel(X), np.log(answers), np.random.default_rng(0), QueryOptions())
    assert sum(asked) == min(n_series, 64)


def test_the_user_is_warned_where_there_are_no_other_series(italy, by_heart, quick):
    X, y = italy[0][:, 0], italy[1]
    with WARNS as caught:
        quick(by_heart, n_mixtures=0).fit(X, y)
    (message,) = [w for w in caught if w.category is MemorisedWarning]
    assert message.filename == __file__
    assert "X_unlabelled" in str(message.message) and "n_mixtures=None" in str(message.message)


def test_published_measures_warn_too_since_they_use_no_mixtures(italy, by_heart, quick):
    with WARNS:
        quick(by_heart, saliency="class").fit(italy[0][:, 0], italy[1])


def test_mixtures_are_such_series(italy, by_heart, quick):
    quick(by_heart).fit(italy[0][:, 0], italy[1])
    quick(by_heart, saliency="class", n_mixtures=20).fit(italy[0][:, 0], italy[1])


def test_fresh_unlabelled_series_are_too_but_series_known_by_heart_are_not(italy, by_heart, quick):
    X, y, fresh = italy[0][:, 0], italy[1], italy[2][:50, 0]
    student = quick(by_heart, n_mixtures=0, warm_start=True).fit(X, y, X_unlabelled=fresh)
    np.testing.assert_array_equal(student._transfer_set.trusted, np.arange(len(X) + 50) >= len(X))
    with WARNS:
        quick(by_heart, n_mixtures=0).fit(X[::2], y[::2], X_unlabelled=X[1::2])


@pytest.mark.filterwarnings("ignore::tsdistill.exceptions.HardTeacherWarning")
def test_nothing_is_warned_of_where_no_saliency_is_learnt(italy, by_heart, quick):
    X, y = italy[0][:, 0], italy[1]
    quick(by_heart, n_mixtures=0, saliency_weight=0).fit(X, y)
    quick(by_heart, saliency="class", saliency_weight=0).fit(X, y)


def test_nothing_is_warned_of_with_a_teacher_that_generalises(italy, quick):
    X, y = italy[0][:, 0], italy[1]
    quick(LogisticRegression(max_iter=1000).fit(X, y), n_mixtures=0).fit(X, y)


def test_series_known_by_heart_are_trusted_where_there_are_no_others(italy, by_heart, quick):
    with WARNS:
        student = quick(by_heart, n_mixtures=0, warm_start=True).fit(italy[0][:, 0], italy[1])
    assert student._transfer_set.trusted.all()
    assert student.history_[-1]["saliency"] > 0


def test_mixtures_alone_are_trusted_beside_series_known_by_heart(italy, by_heart, quick):
    X, y = italy[0][:, 0], italy[1]
    trusted = quick(by_heart, warm_start=True).fit(X, y)._transfer_set.trusted
    assert trusted.tolist() == [False] * len(X) + [True] * 400


def test_without_labels_the_series_are_known_by_heart_all_the_same(italy, by_heart, quick):
    with WARNS:
        quick(by_heart, n_mixtures=0).fit(italy[0][:, 0])


def test_an_unfitted_forest_is_found_out_once_it_is_fitted(italy, quick):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quick(RandomForestClassifier(50, bootstrap=False), n_mixtures=0).fit(
            italy[0][:, 0], italy[1]
        )
    assert MemorisedWarning in [warning.category for warning in caught]
    assert HardTeacherWarning not in [warning.category for warning in caught]


def test_fresh_series_are_trusted_without_labels_too_and_a_single_one_as_well(
    italy, by_heart, quick
):
    X, y, fresh = italy[0][:, 0], italy[1], italy[2][:20, 0]
    for labels, more in ((None, fresh), (y, fresh[:1])):
        with warnings.catch_warnings():
            warnings.simplefilter("error", MemorisedWarning)
            student = quick(by_heart, n_mixtures=0, warm_start=True)
            student.fit(X, labels, X_unlabelled=more)
        trusted = student._transfer_set.trusted
        assert trusted.tolist() == [False] * len(X) + [True] * len(more)
