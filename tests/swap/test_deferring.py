"""The promise of a swap: it holds, also where the student is bad."""

import os
import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import get_tags
from sktime.classification.feature_based import SummaryClassifier

from tests.conftest import bump_teacher
from tsdistill import DeferringClassifier, Teacher
from tsdistill.exceptions import LeftOutWarning, PanelError, ParameterError
from tsdistill.swap.risk import largest_uncertainty, series_needed, upper_bound

SHARE, LEVEL = 0.05, 0.95


def good(uncertainty):
    return uncertainty**2  # rarely wrong where it is sure


def bad(uncertainty):
    return np.full_like(uncertainty, 0.3)  # its confidence says nothing


def hopeless(uncertainty):
    return 1 - uncertainty  # the surer the worse


def silent(uncertainty):
    return np.zeros_like(uncertainty)


@pytest.mark.parametrize("chance_to_differ", [good, bad, hopeless, silent])
@pytest.mark.parametrize("rounded", [False, True])
def test_the_promise_holds_in_a_thousand_repetitions(chance_to_differ, rounded):
    rng = np.random.default_rng(0)
    grid = (np.arange(20_000) + 0.5) / 20_000
    grid = grid.round(1) if rounded else grid  # many equal doubts
    risk_below = chance_to_differ(grid).cumsum() / len(
        grid
    )  # the true risk, by largest uncertainty
    kept = 0
    for _ in range(1000):
        uncertainty = rng.choice(grid, size=200)
        differs = rng.random(200) < chance_to_differ(uncertainty)
        largest, _ = largest_uncertainty(uncertainty, differs, SHARE, LEVEL)
        n_alone = np.searchsorted(grid, largest, side="right")
        kept += (risk_below[n_alone - 1] if n_alone else 0.0) <= SHARE
    assert kept >= 1000 * LEVEL
    if chance_to_differ is good:  # and the promise is not kept by asking always
        assert n_alone > 0.25 * len(grid)


def test_thresholds_equal_a_slow_search():
    rng = np.random.default_rng(1)
    uncertainty = rng.random(150).round(2)
    differs = rng.random(150) < uncertainty / 2
    largest, curve = largest_uncertainty(uncertainty, differs, 0.1, 0.95)
    found = -np.inf
    for d in sorted(set(uncertainty)):
        k = int(differs[uncertainty <= d].sum())
        if upper_bound(k, 150, 0.95) > 0.1:
            break
        found = d
    assert largest == found
    assert (np.diff(curve["threshold"]) < 0).all() and (np.diff(curve["bound"]) >= 0).all()
    at = np.flatnonzero(1 - curve["threshold"] <= largest + 1e-12)[-1]
    assert curve["bound"][at] <= 0.1 < curve["bound"][at + 1]
    assert curve["deferral_rate"][at] == pytest.approx((uncertainty > largest).mean())


@pytest.mark.parametrize(("share", "level"), [(0.01, 0.95), (0.05, 0.9), (0.5, 0.6), (0.3, 0.999)])
def test_series_needed_is_the_least_number_that_can_promise(share, level):
    n = series_needed(share, level)
    nothing = np.zeros(n, dtype=bool)
    assert largest_uncertainty(np.linspace(0, 0.5, n), nothing, share, level)[0] == 1
    assert largest_uncertainty(np.linspace(0, 0.5, n)[1:], nothing[1:], share, level)[0] == -np.inf


@pytest.fixture
def swap(toy):
    """A nearest-neighbour student of the bump teacher, and series for both."""
    rng = np.random.default_rng(3)
    X, y = toy
    student = KNeighborsClassifier(5).fit(X, y)
    more = np.tile(X, (40, 1)) + rng.normal(scale=1.2, size=(480, 20))
    return student, more


def test_it_answers_as_one_of_the_two_does(swap):
    student, X = swap
    model = DeferringClassifier(student, bump_teacher, 0.02, 0.9).fit(X[:240])
    deferred = model.defers(X[240:])
    assert 0 < deferred.mean() < 1
    theirs = bump_teacher(X[240:])
    labels = np.where(deferred, theirs.argmax(axis=1), student.predict(X[240:]))
    np.testing.assert_array_equal(model.predict(X[240:]), labels)
    proba = model.predict_proba(X[240:])
    np.testing.assert_allclose(proba[deferred], theirs[deferred], atol=1e-3)
    np.testing.assert_allclose(proba[~deferred], student.predict_proba(X[240:])[~deferred])
    assert np.mean(labels != theirs.argmax(axis=1)) <= 0.02
    assert model.disagreement_ <= model.disagreement_bound_ <= 0.02
    assert model.answered_disagreement_ == pytest.approx(
        model.disagreement_ / (1 - model.deferral_rate_)
    )
    sure = 1 - student.predict_proba(X[240:]).max(axis=1)
    np.testing.assert_array_equal(deferred, 1 - sure < model.threshold_ - 1e-12)


def test_risks_are_counted_over_all_and_over_the_answered_series(swap):
    student, X = swap
    model = DeferringClassifier(student, bump_teacher, 0.03, 0.9).fit(X)
    deferred = model.defers(X)
    wrong = (student.predict(X) != bump_teacher(X).argmax(axis=1)) & ~deferred
    assert wrong.any() and deferred.any()
    assert model.deferral_rate_ == pytest.approx(deferred.mean())
    assert model.disagreement_ == pytest.approx(wrong.mean())
    assert model.disagreement_bound_ == upper_bound(wrong.sum(), len(X), 0.9)
    assert model.answered_disagreement_ == pytest.approx(wrong[~deferred].mean())
    assert model.answered_disagreement_bound_ == upper_bound(wrong.sum(), (~deferred).sum(), 0.9)


def test_bounds_are_those_that_the_binomial_test_just_rejects():
    for k, n in [(0, 10), (3, 40), (39, 40)]:
        bound = upper_bound(k, n, 0.9)
        assert binom.cdf(k, n, bound) == pytest.approx(0.1)
    np.testing.assert_array_equal(upper_bound([5, 1], [5, 1], 0.9), 1)


def test_the_teacher_is_asked_about_deferred_series_alone(swap):
    student, X = swap
    asked = []

    def teacher(series):
        asked.append(len(series))
        return bump_teacher(series)

    model = DeferringClassifier(student, teacher, 0.02, 0.9).fit(X[:240])
    asked.clear()
    model.predict(X[240:])
    assert sum(asked) == model.defers(X[240:]).sum()
    model.predict_proba(X[240:])
    assert sum(asked) == 2 * model.defers(X[240:]).sum()
    sure = X[240:][~model.defers(X[240:])]
    asked.clear()
    model.predict(sure)
    assert not asked


def test_a_student_that_never_agrees_answers_nothing(swap):
    student, X = swap

    def otherwise(series):
        return np.roll(np.eye(3)[student.predict(series)], 1, axis=1)

    model = DeferringClassifier(student, Teacher(otherwise, classes=[0, 1, 2])).fit(X)
    assert model.deferral_rate_ == 1 and model.threshold_ == np.inf
    assert np.isnan(model.answered_disagreement_)
    np.testing.assert_array_equal(model.predict(X), otherwise(X).argmax(axis=1))


def test_a_student_that_always_agrees_answers_everything(swap):
    student, X = swap
    model = DeferringClassifier(student, student).fit(X)
    assert model.deferral_rate_ == 0 and model.threshold_ == 0
    assert not model.defers(10 * X[:5]).any()


def test_the_distilled_students_own_teacher_is_the_default(quick, toy, swap):
    student = quick(max_epochs=30).fit(*toy)
    X = swap[1]
    model = DeferringClassifier(student, max_disagreement=0.2, confidence=0.9).fit(X)
    assert model.teacher_ is student.teacher_
    assert model.predict_proba(X[:4]).shape == (4, 3)
    again = pickle.loads(pickle.dumps(DeferringClassifier(swap[0], swap[0]).fit(X)))
    np.testing.assert_array_equal(again.predict(X), swap[0].predict(X))


class Shaky:
    """A student without an answer for some series."""

    classes_ = np.array([0, 1, 2])

    def __init__(self, row):
        self.row = row

    def predict_proba(self, X):
        proba = bump_teacher(X)
        proba[X[:, 0] > 0.8] = self.row
        return proba


@pytest.mark.parametrize("row", [[np.nan] * 3, [np.nan, 0, 0], [np.inf, 0, 0]])
@pytest.mark.parametrize("seen", [True, False])
def test_series_without_a_students_answer_go_to_the_teacher(swap, row, seen):
    X = swap[1]
    quiet = X[X[:, 0] <= 0.8]
    model = DeferringClassifier(Shaky(row), bump_teacher, 0.05, 0.9).fit(X if seen else quiet)
    lost = X[:, 0] > 0.8
    assert lost.any() and model.defers(X)[lost].all() and not model.defers(quiet).any()
    np.testing.assert_array_equal(model.predict(X), bump_teacher(X).argmax(axis=1))
    np.testing.assert_allclose(model.predict_proba(X), bump_teacher(X), atol=1e-3)
    assert model.deferral_rate_ == pytest.approx(lost.mean() if seen else 0)


def test_series_of_channels(swap):
    student, X = swap
    X = np.stack([X, np.zeros_like(X)], axis=1)

    class OfChannels:
        classes_ = student.classes_

        def predict_proba(self, X):
            return student.predict_proba(X[:, 0])

    model = DeferringClassifier(OfChannels(), lambda X: bump_teacher(X[:, 0]), 0.02, 0.9).fit(X)
    flat = DeferringClassifier(student, bump_teacher, 0.02, 0.9).fit(X[:, 0])
    assert model.threshold_ == flat.threshold_ and model.defers(X).any()
    np.testing.assert_array_equal(model.predict(X), flat.predict(X[:, 0]))
    np.testing.assert_array_equal(model.predict_proba(X), flat.predict_proba(X[:, 0]))


def test_unnamed_teachers_get_the_students_labels_and_strangers_are_refused(toy, swap):
    names = np.array(["a", "b", "c"])
    student = KNeighborsClassifier(5).fit(toy[0], names[toy[1]])
    for teacher in (bump_teacher, [bump_teacher, bump_teacher]):
        model = DeferringClassifier(student, teacher, 0.1, 0.9).fit(swap[1])
        assert model.classes_.tolist() == ["a", "b", "c"]
    for stranger in ([0, 1, 2], ["x", "y", "z"]):
        model = DeferringClassifier(student, Teacher(bump_teacher, classes=stranger), 0.1, 0.9)
        with pytest.raises(ParameterError, match="which have none in common"):
            model.fit(swap[1])


def test_what_was_promised_stays_in_the_picture_after_set_params(swap):
    student, X = swap
    model = DeferringClassifier(student, bump_teacher, 0.1, 0.9).fit(X)
    model.set_params(max_disagreement=0.001)
    assert "at most 10 %" in model.plot().ax_.get_title()
    with pytest.raises(ParameterError, match="student__n_neighbors cannot be set"):
        model.set_params(student__n_neighbors=3)


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        (lambda X: np.full((len(X), 2), 0.5), r"answered 480 series in shape \(480, 2\)"),
        (lambda X: 3 * bump_teacher(X), "480 of 480 series with rows that do not sum to 1"),
    ],
)
def test_students_that_give_no_probabilities(swap, proba, message):
    student = Shaky([0, 0, 0])
    student.predict_proba = proba
    with pytest.raises(ParameterError, match=message):
        DeferringClassifier(student, bump_teacher).fit(swap[1])


def test_students_of_sktime_and_of_searches_bring_their_teacher(quick, toy, swap):
    from sklearn.pipeline import make_pipeline

    from tsdistill.sktime import SaliencyDistilledTSC

    X, y = toy
    tsc = SaliencyDistilledTSC(bump_teacher, max_epochs=3, n_windows=4, random_state=0)
    tsc.fit(X[:, None], y)
    model = DeferringClassifier(tsc, max_disagreement=0.3, confidence=0.9).fit(swap[1][:, None])
    assert model.teacher_ is tsc.classifier_.teacher_
    search = GridSearchCV(quick(), {"lr": [0.01]}, cv=2).fit(X, y)
    model = DeferringClassifier(search, max_disagreement=0.3, confidence=0.9).fit(swap[1])
    assert model.teacher_ is search.best_estimator_.teacher_
    assert len(model.predict(swap[1])) == len(swap[1])
    pipeline = make_pipeline(quick()).fit(X, y)
    with pytest.raises(ParameterError, match="a Pipeline has no teacher of its own that takes"):
        DeferringClassifier(pipeline).fit(swap[1])
    both = DeferringClassifier(pipeline, bump_teacher, max_disagreement=0.3, confidence=0.9)
    assert both.fit(swap[1]).predict_proba(swap[1][:2]).shape == (2, 3)


def test_classes_that_only_the_teacher_knows_are_answered(toy):
    X, y = toy
    rng = np.random.default_rng(0)
    many = np.tile(X, (30, 1)) + rng.normal(scale=0.2, size=(360, 20))
    names = np.array(["a", "b", "long name"])
    student = LogisticRegression().fit(X[y < 2], names[y[y < 2]].astype("U1"))
    teacher = LogisticRegression(C=100).fit(X, names[y])
    model = DeferringClassifier(student, teacher, 0.1, 0.9).fit(many)
    assert model.classes_.tolist() == names.tolist()
    answers = model.predict(many)
    assert (answers == "long name").sum() > 80
    assert np.mean(answers != teacher.predict(many)) <= 0.1
    np.testing.assert_allclose(model.predict_proba(many).sum(axis=1), 1, atol=1e-6)


def test_classes_that_only_the_student_knows_are_never_the_teachers(swap):
    student, X = swap

    def of_two(series):
        proba = bump_teacher(series)[:, 1:]
        return proba / proba.sum(axis=1, keepdims=True)

    teacher = Teacher(of_two, classes=[1, 2])
    model = DeferringClassifier(student, teacher, 0.1, 0.9).fit(X)
    deferred = model.defers(X)
    assert model.classes_.tolist() == [0, 1, 2] and deferred.any()
    np.testing.assert_array_equal(
        model.predict(X)[deferred], 1 + of_two(X[deferred]).argmax(axis=1)
    )
    np.testing.assert_array_equal(
        model.predict_proba(X)[deferred].argmax(axis=1), model.predict(X)[deferred]
    )


def test_certainties_that_round_to_1_are_still_told_apart():
    class Student:
        classes_ = np.array([0, 1])

        def predict_proba(self, X):
            z = 20 + X[:, 0]
            return np.exp(-np.logaddexp(0, np.stack([z, -z], axis=1))).astype(np.float32)

    X = np.random.default_rng(0).random((400, 6)) * 10

    def teacher(series):  # differs where the student is least sure
        return np.eye(2)[(series[:, 0] > 3).astype(int)]

    assert (Student().predict_proba(X)[:, 1] == 1).all()
    model = DeferringClassifier(Student(), teacher, 0.02, 0.9).fit(X)
    assert 0.25 < model.deferral_rate_ < 0.35


def test_the_students_own_teacher_is_asked_for_all_that_it_knows(quick, toy, swap):
    X, y = toy
    names = np.array(["a", "b", "c"])
    teacher = RandomForestClassifier(20, random_state=0).fit(X, names[y])
    with pytest.warns(LeftOutWarning, match="also knows class 'c', of which y has no series"):
        student = quick(teacher, max_epochs=30).fit(X[y < 2], names[y[y < 2]])
    model = DeferringClassifier(student, max_disagreement=0.1, confidence=0.9).fit(swap[1])
    assert model.classes_.tolist() == ["a", "b", "c"]
    told = model.predict(swap[1])
    assert (told == "c").sum() > 50 and np.mean(told != teacher.predict(swap[1])) <= 0.1
    report = student.fidelity_report(swap[1], n_explained=5)
    n = np.sum(teacher.predict(swap[1]) == "c")
    assert report.left_out == ["c"] and report.n_left_out == n
    assert f"own answer for {n} of the 480 series" in str(report)
    assert 'class="warning"' in report._repr_html_()


def test_what_was_promised_is_of_the_student_as_it_was(quick, toy, swap):
    X, y = toy
    student = KNeighborsClassifier(5).fit(X, y)
    model = DeferringClassifier(student, bump_teacher, 0.05, 0.9).fit(swap[1])
    told = model.predict(swap[1])
    student.fit(X, np.roll(y, 1))
    model.set_params(student=LogisticRegression())
    np.testing.assert_array_equal(model.predict(swap[1]), told)
    ours = quick(max_epochs=30, warm_start=True).fit(X, y)
    model = DeferringClassifier(ours, max_disagreement=0.1, confidence=0.9).fit(swap[1])
    assert model.student_._transfer_set is None and ours._transfer_set is not None
    told = model.predict(swap[1])
    ours.set_params(warm_start=False).fit(X, np.roll(y, 1))
    np.testing.assert_array_equal(model.predict(swap[1]), told)
    assert model.teacher_.model is ours.teacher_.model  # the teacher alone is shared


def test_students_that_cannot_be_copied_are_used_as_they_are(swap):
    student = Shaky([0.2, 0.3, 0.5])
    student.lock = threading.Lock()
    model = DeferringClassifier(student, bump_teacher, 0.3, 0.9).fit(swap[1])
    assert model.student_ is student


def test_students_hear_the_names_of_columns(quick, toy, swap):
    X, y = toy
    names = [f"t{i}" for i in range(20)]
    frame, more = pd.DataFrame(X, columns=names), pd.DataFrame(swap[1], columns=names)
    for student in (KNeighborsClassifier(5), quick()):
        student.fit(frame, y)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = DeferringClassifier(student, bump_teacher, 0.3, 0.9).fit(more)
            model.predict(more)
        with pytest.raises(ValueError, match="feature names"):
            DeferringClassifier(student, bump_teacher, 0.3, 0.9).fit(more[names[::-1]])


def test_students_without_names_get_arrays(toy, swap):
    X, y = toy
    columns = [pd.Series(x) for x in swap[1]]
    neighbours = KNeighborsClassifier(5).fit(X, y)
    summary = SummaryClassifier(estimator=LogisticRegression()).fit(X[:, np.newaxis], y)
    for student in (neighbours, summary):
        told = DeferringClassifier(student, bump_teacher, 0.5, 0.6).fit(swap[1]).predict(swap[1])
        for same in (pd.DataFrame(swap[1]), list(swap[1]), pd.Series(columns)):
            model = DeferringClassifier(student, bump_teacher, 0.5, 0.6).fit(same)
            np.testing.assert_array_equal(model.predict(same), told)


def test_students_hear_the_names_of_channels(quick, toy, swap):
    def nested(X, names):
        return pd.DataFrame({name: [pd.Series(x) for x in X] for name in names})

    def teacher(X):
        return bump_teacher(X[:, 0])

    student = quick(teacher).fit(nested(toy[0], ["acc", "gyr"]), toy[1])
    more = nested(swap[1][:60], ["acc", "gyr"])
    model = DeferringClassifier(student, max_disagreement=0.5, confidence=0.9).fit(more)
    assert len(model.predict(more)) == 60
    with pytest.raises(PanelError, match=r"channels \['gyr', 'acc'\]"):
        DeferringClassifier(student, max_disagreement=0.5).fit(more[["gyr", "acc"]])


@pytest.mark.parametrize("kind", [float, bool])
def test_numbers_are_labels_of_one_kind(toy, swap, kind):
    X, y = toy
    student = KNeighborsClassifier(5).fit(X, (y > 0).astype(kind))
    teacher = KNeighborsClassifier(3).fit(X, (y > 0).astype(int))
    model = DeferringClassifier(student, teacher, 0.1, 0.9).fit(swap[1])
    assert model.classes_.tolist() == [0, 1]
    assert np.mean(model.predict(swap[1]) != teacher.predict(swap[1])) <= 0.1


def test_numbers_among_objects_are_numbers(swap):
    student = Shaky([0.2, 0.3, 0.5])
    student.classes_ = np.array([0, 1, 2], dtype=object)
    teacher = Teacher(bump_teacher, classes=[0, 1, 2])
    assert len(DeferringClassifier(student, teacher, 0.3, 0.9).fit(swap[1]).classes_) == 3
    student.classes_ = np.array([0, 1, "c"], dtype=object)
    with pytest.raises(ParameterError, match="cannot be sorted together"):
        DeferringClassifier(student, teacher, 0.3, 0.9).fit(swap[1])


@pytest.mark.parametrize("most", [2, 1])  # with one class left out, the teacher is another
def test_fit_recalls_what_the_teacher_has_answered(quick, toy, swap, tmp_path, most):
    asked = []

    class Counted(LogisticRegression):
        def predict_proba(self, X):
            asked.append(len(X))
            return super().predict_proba(X)

    X, y = toy
    known, teacher = y <= most, Counted().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)
        student = quick(teacher, memory=tmp_path).fit(X[known], y[known])
    DeferringClassifier(student, max_disagreement=0.02, confidence=0.9).fit(swap[1])
    asked.clear()
    model = DeferringClassifier(student, max_disagreement=0.02, confidence=0.9).fit(swap[1])
    assert sum(asked) < len(swap[1])
    asked.clear()
    files = sum(len(names) for _, _, names in os.walk(tmp_path))
    model.predict(swap[1])
    assert sum(asked) == model.defers(swap[1]).sum()  # of series to come nothing is kept
    assert sum(len(names) for _, _, names in os.walk(tmp_path)) == files


def test_clone_and_search_keep_both_models(swap):
    student, X = swap
    model = DeferringClassifier(student, bump_teacher, max_disagreement=0.1)
    copied = clone(model)
    assert copied.student is student and copied.teacher is bump_teacher
    labels = bump_teacher(X).argmax(axis=1)
    search = GridSearchCV(model, {"max_disagreement": [0.1, 0.3]}, cv=2).fit(X, labels)
    assert search.best_estimator_.student is student
    assert "KNeighborsClassifier" in repr(model)
    assert get_tags(model).input_tags.three_d_array and not get_tags(model).target_tags.required


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"max_disagreement": 0}, ParameterError, "max_disagreement=0;"),
        ({"max_disagreement": 1.5}, ParameterError, "max_disagreement=1.5"),
        ({"confidence": 95}, ParameterError, "confidence=95"),
        ({"confidence": float("nan")}, ParameterError, "confidence=nan"),
        (
            {"student": KNeighborsClassifier()},
            ParameterError,
            "student=KNeighborsClassifier is not",
        ),
        ({"student": bump_teacher}, ParameterError, "has no predict_proba"),
        ({"teacher": None}, ParameterError, "a KNeighborsClassifier has no teacher of its own"),
        ({"teacher": LogisticRegression()}, ParameterError, "is not fitted; fit it first"),
        ({"max_disagreement": 0.001}, PanelError, "at least 2995"),
    ],
)
def test_bad_input(swap, settings, error, message):
    student, X = swap
    model = DeferringClassifier(**{"student": student, "teacher": bump_teacher} | settings)
    with pytest.raises(error, match=message):
        model.fit(X)
    assert not hasattr(model, "threshold_")


def test_a_failed_fit_leaves_the_last_one(swap):
    student, X = swap
    model = DeferringClassifier(student, bump_teacher, 0.1, 0.9).fit(X)
    before = model.predict(X)
    with pytest.raises(PanelError, match="X has 5 series"):
        model.fit(X[:5, :10])
    np.testing.assert_array_equal(model.predict(X), before)
