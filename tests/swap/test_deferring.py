"""Student and teacher together: who answers, what is kept, what is refused."""

import os
import warnings
from fractions import Fraction

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import get_tags

from tests.conftest import bump_teacher
from tests.swap.conftest import Shaky
from tsdistill import DeferringClassifier, Teacher
from tsdistill.exceptions import LeftOutWarning, PanelError, ParameterError
from tsdistill.swap.risk import upper_bound


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


def test_what_was_promised_stays_in_the_picture_after_set_params(swap):
    student, X = swap
    model = DeferringClassifier(student, bump_teacher, 0.1, 0.9).fit(X)
    model.set_params(max_disagreement=0.001)
    assert "at most 10 %" in model.plot().ax_.get_title()
    with pytest.raises(ParameterError, match="student__n_neighbors cannot be set"):
        model.set_params(student__n_neighbors=3)


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


def test_series_of_unequal_length_reach_both_models_as_they_were_given(quick):
    rng = np.random.default_rng(0)
    series = [rng.normal(size=n) + n % 2 for n in range(10, 30)]
    heard = []

    def teacher(X):
        heard.extend(X)
        one = 1 / (1 + np.exp([2 - 4 * np.mean(x) for x in X]))
        return np.column_stack([1 - one, one])

    labels = np.arange(20) % 2
    student = quick(teacher, student="fcn", max_epochs=1, n_mixtures=0).fit(series, labels)
    heard.clear()
    other = Teacher(lambda X: teacher(X), classes=[0, 1])
    swap = DeferringClassifier(student, other, 0.9, 0.5).fit(series)
    swap._max_uncertainty = -1.0  # the teacher answers all
    np.testing.assert_array_equal(swap.predict(series[:5]), teacher(series[:5]).argmax(axis=1))
    assert len(heard) >= 25 and not any(np.isnan(x).any() for x in heard)


def test_gaps_are_allowed_where_the_student_has_learnt_them(quick, toy, swap):
    X, y = toy
    for missing, gap in (("refuse", 0.0), ("mask", np.nan)):
        with_gap = X.copy()
        with_gap[0, 3:5] = gap
        student = quick(
            lambda X: bump_teacher(np.nan_to_num(X)), student="fcn", missing=missing, max_epochs=1
        ).fit(with_gap, y)
        model = DeferringClassifier(student, max_disagreement=0.9)
        assert get_tags(model).input_tags.allow_nan == (missing == "mask")
    assert not get_tags(DeferringClassifier(swap[0], bump_teacher)).input_tags.allow_nan


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
        ({"max_disagreement": 0.001}, ParameterError, "at least 2995"),
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
    with pytest.raises(ParameterError, match="X has 5"):
        model.fit(X[:5, :10])
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize(
    ("n", "settings", "message"),
    [
        (
            5,
            (0.01, 0.95),
            "max_disagreement=0.01 with confidence=0.95 needs at least 299 series, and more if "
            "the student differs from the teacher on any of them, but X has 5. Pass more series, "
            "a smaller confidence, or a larger max_disagreement: with 5 series 0.451 is possible.",
        ),
        (
            2,
            (0.5, 0.9999999),
            "max_disagreement=0.5 with confidence=0.9999999 needs at least 24 series, and more if "
            "the student differs from the teacher on any of them, but X has 2. Pass more series, "
            "a smaller confidence, or a larger max_disagreement.",
        ),
    ],
)
def test_too_few_series_are_told_what_is_possible_with_them(swap, n, settings, message):
    student, X = swap
    with pytest.raises(ParameterError) as caught:
        DeferringClassifier(student, bump_teacher, *settings).fit(X[:n])
    assert str(caught.value) == message


def test_what_is_said_to_be_possible_is(swap):
    student, X = swap
    model = DeferringClassifier(student, student, 0.451, 0.95).fit(X[:5])
    assert model.deferral_rate_ == 0 and model.disagreement_bound_ <= 0.451


def test_series_that_float32_cannot_tell_apart_are_refused(swap):
    student, X = swap
    with pytest.raises(PanelError) as caught:
        DeferringClassifier(student, bump_teacher, 0.1, 0.9).fit(1e9 + X)
    deviation = X.std()
    assert str(caught.value) == (
        f"X varies by {deviation:.3g} in channel 0 around values of 1e+09, too little for float32 "
        "to tell apart; subtract the mean before fitting."
    )


def test_shares_may_be_fractions(swap):
    student, X = swap
    shares = DeferringClassifier(student, bump_teacher, Fraction(1, 2), Fraction(9, 10)).fit(X)
    floats = DeferringClassifier(student, bump_teacher, 0.5, 0.9).fit(X)
    assert shares.threshold_ == floats.threshold_
    assert shares.disagreement_bound_ == floats.disagreement_bound_
    np.testing.assert_array_equal(shares.predict(X), floats.predict(X))


class Silent:
    """A student that agrees with the bump teacher, or gives no answer."""

    classes_ = np.array([0, 1, 2])

    def predict_proba(self, X):
        proba = bump_teacher(X)
        proba[X[:, 0] > 0] = np.nan  # half of the series; as class 0 they would differ
        return proba


@pytest.mark.parametrize("promise", ["all", "answered", "class"])
def test_series_without_a_students_answer_are_no_disagreements(swap, promise):
    X = swap[1]
    model = DeferringClassifier(Silent(), bump_teacher, 0.1, promise=promise).fit(X)
    assert model.deferral_rate_ == np.mean(X[:, 0] > 0) and model.disagreement_ == 0
    assert (model.curve_["disagreement"] == 0).all()
    assert model.promises_[promise]["share"] == 0
    n_answered = np.sum(X[:, 0] <= 0)
    assert promise != "answered" or model.promises_["answered"]["n"] == n_answered


def test_the_teachers_classes_have_a_share_each(swap):
    student, X = swap
    model = DeferringClassifier(student, bump_teacher, 0.1, 0.9).fit(X)
    theirs, wrong = bump_teacher(X).argmax(axis=1), model.predict(X) != bump_teacher(X).argmax(1)
    assert list(model.class_disagreement_) == [0, 1, 2]
    for label, found in model.class_disagreement_.items():
        assert found["n"] == np.sum(theirs == label)
        assert found["share"] == pytest.approx(wrong[theirs == label].mean())
        assert found["bound"] == upper_bound(wrong[theirs == label].sum(), found["n"], 0.9)
    found = {"share": model.disagreement_, "bound": model.disagreement_bound_, "n": len(X)}
    assert model.promises_ == {"all": found | {"limit": 0.1}}


def test_a_class_that_no_series_is_of_is_known_by_its_name_alone(swap):
    student, X = swap
    lone = Teacher(lambda X: np.insert(bump_teacher(X), 3, 0, axis=1), classes=[0, 1, 2, 3])
    model = DeferringClassifier(student, lone, 0.1, 0.9).fit(X)
    assert model.class_disagreement_[3]["n"] == 0
    assert np.isnan(model.class_disagreement_[3]["bound"])
    with pytest.raises(ParameterError, match="class 3 never"):
        DeferringClassifier(student, lone, 0.1, 0.9, promise="class").fit(X)
    assert not hasattr(clone(model), "promises_")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"promise": "most"}, "promise='most'; expected one of 'all', 'answered', 'class'"),
        ({"promise": ["class"], "max_disagreement": 0.02}, "needs at least 149 series of each"),
        ({"min_saliency": 0.8}, "a KNeighborsClassifier has none"),
        ({"min_saliency": 80}, "min_saliency=80; expected None, or a correlation"),
        ({"max_unlike": 5}, "max_unlike=5; expected a number between 0 and 1"),
    ],
)
def test_bad_promises(swap, settings, message):
    student, X = swap
    model = DeferringClassifier(**{"student": student, "teacher": bump_teacher} | settings)
    with pytest.raises(ParameterError, match=message):
        model.fit(X[:400])
    assert not hasattr(model, "threshold_")
