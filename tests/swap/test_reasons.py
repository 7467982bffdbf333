"""Promises about the student's reasons, and all promises on real series."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from tests.conftest import Counted, bump_teacher
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, Teacher, fidelity
from tsdistill.exceptions import LeftOutWarning, ParameterError
from tsdistill.sktime import SaliencyDistilledTSC


@pytest.fixture(scope="module")
def forest(italy):
    X, y, *_ = italy
    return RandomForestClassifier(100, min_samples_leaf=2, random_state=0).fit(X[:, 0], y)


@pytest.fixture(scope="module")
def follower(italy, forest):
    """A student that follows the forest rather well, in its answers and its reasons."""

    def teacher(series):
        return forest.predict_proba(series[:, 0])

    return SaliencyDistilledClassifier(teacher, max_epochs=60, random_state=0).fit(*italy[:2])


@pytest.fixture
def unsure(quick, toy):
    """A student of the bump teacher, and series about which it is often unsure."""
    student = quick(student="fcn", max_epochs=60, n_mixtures=4).fit(*toy)
    X = np.tile(toy[0], (25, 1)) + np.random.default_rng(3).normal(scale=0.8, size=(300, 20))
    return student, X


def correlations(student, X, labels):
    """Of both models' maps, asked for as a user does."""
    maps = [student.explain(X, target=labels, of=of, fill="mean") for of in ("student", "teacher")]
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(*maps, strict=True)])


def test_every_promise_is_kept_on_series_to_come(italy, forest, follower):
    held_out, future = italy[2][:600], italy[2][600:]
    swap = DeferringClassifier(
        follower, max_disagreement=0.05, promise=["all", "answered", "class"],
        min_saliency=0.5, max_unlike=0.2,
    ).fit(held_out)  # fmt: skip
    assert list(swap.promises_) == ["all", "answered", "class", "saliency"]
    assert all(one["bound"] <= one["limit"] for one in swap.promises_.values())
    assert 0.05 < swap.deferral_rate_ < 0.5
    theirs = follower.classes_[forest.predict_proba(future[:, 0]).argmax(axis=1)]
    wrong, alone = swap.predict(future) != theirs, ~swap.defers(future)
    assert wrong.mean() <= 0.05 and wrong[alone].mean() <= 0.05
    assert all(wrong[theirs == label].mean() <= 0.05 for label in ("1", "2"))
    assert np.mean(correlations(follower, future[alone], theirs[alone]) < 0.5) <= 0.2
    assert swap.answered_disagreement_bound_ == swap.promises_["answered"]["bound"] <= 0.05
    assert list(swap.class_disagreement_) == ["1", "2"]


def test_stricter_promises_let_the_student_answer_less(italy, follower):
    rates = {}
    for promise in ("all", "class", "answered"):
        swap = DeferringClassifier(follower, max_disagreement=0.02, promise=promise)
        rates[promise] = swap.fit(italy[2]).deferral_rate_
    assert rates["all"] <= min(rates["class"], rates["answered"])
    assert rates["all"] < max(rates.values())


def test_the_share_of_unlike_maps_is_that_which_a_user_finds(italy, follower):
    X = italy[2][:200]
    swap = DeferringClassifier(follower, None, 0.1, min_saliency=0.9, max_unlike=0.3).fit(X)
    labels = follower.teacher_.predict(X)
    unlike = correlations(follower, X, labels) < 0.9
    found = swap.promises_["saliency"]
    assert found["share"] == np.mean(unlike & ~swap.defers(X)) and found["n"] == 200
    assert 0 < found["share"] < found["bound"] <= 0.3
    without = DeferringClassifier(follower, None, 0.1).fit(X)
    assert swap.deferral_rate_ > without.deferral_rate_  # the maps decide


def test_maps_are_asked_for_where_the_student_would_answer_alone(unsure):
    student, X = unsure
    counted = Counted()
    teacher = Teacher(counted, classes=[0, 1, 2])
    without = DeferringClassifier(student, teacher, 0.05).fit(X)
    n_plain = counted.n_asked
    n_alone = (~without.defers(X)).sum()
    assert 0 < n_alone < 250
    counted.n_asked = 0
    DeferringClassifier(student, teacher, 0.05, min_saliency=0.5).fit(X)
    each, rest = divmod(counted.n_asked - n_plain, n_alone)
    assert rest == 0 and 15 <= each <= 40
    counted.n_asked = 0
    swap = DeferringClassifier(student, teacher, 0.05, min_saliency=0.5, max_unlike=0.5).fit(X)
    counted.n_asked = 0
    swap.predict(X)
    assert counted.n_asked == swap.defers(X).sum()  # none for maps after fit


def test_a_map_without_correlation_counts_as_unlike(unsure):
    student, X = unsure

    def flat(series):
        return np.tile([0.2, 0.7, 0.1], (len(series), 1))

    swap = DeferringClassifier(
        student, Teacher(flat, classes=[0, 1, 2]), 0.999, min_saliency=-0.99
    ).fit(X)
    assert swap.deferral_rate_ > 0.95  # although a correlation of 0 would be high enough
    a, b = np.ones((2, 5)), np.arange(10.0).reshape(2, 5)
    assert np.isnan(fidelity.per_series_correlation(a, b, undefined=np.nan)).all()
    assert (fidelity.per_series_correlation(a, b) == 0).all()


def test_there_are_no_unlike_maps_where_the_student_may_answer_nothing(unsure):
    student, X = unsure

    def otherwise(series):
        return np.roll(np.eye(3)[student.predict(series)], 1, axis=1)

    teacher = Teacher(otherwise, classes=[0, 1, 2])
    swap = DeferringClassifier(student, teacher, 0.01, min_saliency=0.5).fit(X)
    assert swap.deferral_rate_ == 1
    assert swap.promises_["saliency"]["share"] == 0


def test_a_class_that_the_student_does_not_know_has_no_like_maps(quick, toy, unsure):
    X, y = toy
    teacher = LogisticRegression().fit(X, y)
    with pytest.warns(LeftOutWarning):
        student = quick(teacher, student="fcn", max_epochs=60).fit(X[y < 2], y[y < 2])
    more = unsure[1]
    swap = DeferringClassifier(student, None, 0.8, min_saliency=-0.99, max_unlike=0.8).fit(more)
    assert swap.deferral_rate_ == 0
    assert swap.promises_["saliency"]["share"] == np.mean(teacher.predict(more) == 2)
    assert swap.class_disagreement_[2]["share"] == 1


def test_students_that_search_or_wrap_a_distilled_one_have_maps(quick, toy, unsure):
    X, y = toy
    _, more = unsure
    search = GridSearchCV(quick(student="fcn"), {"lr": [0.01]}, cv=2).fit(X, y)
    wrapped = SaliencyDistilledTSC(bump_teacher, max_epochs=2, n_windows=4).fit(X[:, None], y)
    for student, series in ((search, more), (wrapped, more[:, None])):
        swap = DeferringClassifier(student, bump_teacher, 0.9, min_saliency=0.0, max_unlike=0.9)
        assert "saliency" in swap.fit(series).promises_


@pytest.mark.parametrize("kind", ["plain", "pipeline"])
def test_students_without_maps_are_refused_before_any_query(toy, unsure, kind):
    X, y = toy
    counted = Counted()
    student = LogisticRegression().fit(X, y)
    student = make_pipeline(student) if kind == "pipeline" else student
    name = type(student).__name__
    swap = DeferringClassifier(student, Teacher(counted, classes=[0, 1, 2]), min_saliency=0.8)
    with pytest.raises(ParameterError) as caught:
        swap.fit(unsure[1])
    assert str(caught.value) == (
        f"min_saliency needs the saliency maps of the student, and a {name} has none that can be "
        "compared with the teacher's; expected a SaliencyDistilledClassifier, or a search over "
        "one. Pass another student, or min_saliency=None."
    )
    assert counted.n_asked == 0


def test_a_teacher_that_lacks_a_class_of_the_student_is_refused(toy, unsure):
    X, y = toy
    student, more = unsure
    teacher = LogisticRegression().fit(X[y < 2], y[y < 2])
    with pytest.raises(ParameterError, match=r"does not know the classes 2 of the student. Pass"):
        DeferringClassifier(student, teacher, 0.5, min_saliency=0.8).fit(more)


def test_promises_survive_clones_searches_and_representation(unsure):
    student, X = unsure
    swap = DeferringClassifier(
        student, bump_teacher, 0.3, promise=["answered", "class"], min_saliency=0.5, max_unlike=0.9
    )
    copied = clone(swap)
    assert copied.get_params() == swap.get_params()
    assert not any("__" in name for name in swap.get_params())  # nothing inside is for a search
    assert "promise=['answered', 'class'], min_saliency=0.5, max_unlike=0.9" in repr(copied)
    assert "promise" not in repr(DeferringClassifier(student))
    labels = bump_teacher(X).argmax(axis=1)
    grid = {"promise": ["all", ["answered", "class"]]}
    search = GridSearchCV(swap.set_params(min_saliency=None), grid, cv=2).fit(X, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
