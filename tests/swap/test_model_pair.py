"""What student and teacher of a swap may be: their classes, their series, their copies."""

import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sktime.classification.feature_based import SummaryClassifier

from tests.conftest import bump_teacher
from tests.swap.conftest import Shaky
from tsdistill import DeferringClassifier, Teacher
from tsdistill.exceptions import LeftOutWarning, PanelError, ParameterError
from tsdistill.swap import model_pair


def test_the_distilled_students_own_teacher_is_the_default(quick, toy, swap):
    student = quick(max_epochs=30).fit(*toy)
    X = swap[1]
    model = DeferringClassifier(student, max_disagreement=0.2, confidence=0.9).fit(X)
    assert model.teacher_ is student.teacher_
    assert model.predict_proba(X[:4]).shape == (4, 3)
    again = pickle.loads(pickle.dumps(DeferringClassifier(swap[0], swap[0]).fit(X)))
    np.testing.assert_array_equal(again.predict(X), swap[0].predict(X))


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


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        (lambda X: np.full((len(X), 2), 0.5), r"answered 480 series in shape \(480, 2\)"),
        (lambda X: 3 * bump_teacher(X), "480 of 480 series with rows that do not sum to 1"),
        (
            lambda X: np.where(np.arange(len(X))[:, np.newaxis] < 7, [1.5, -0.5, 0.0], 1 / 3),
            "7 of 480 series with rows that do not sum to 1",
        ),
        (
            lambda X: np.where(np.arange(len(X))[:, np.newaxis] < 7, np.nan, 3 * bump_teacher(X)),
            "473 of 480 series with rows that do not sum to 1",
        ),
    ],
)
def test_students_that_give_no_probabilities(swap, proba, message):
    student = Shaky([0, 0, 0])
    student.predict_proba = proba
    with pytest.raises(ParameterError, match=message):
        DeferringClassifier(student, bump_teacher).fit(swap[1])


@pytest.mark.parametrize("dtype", [np.float32, int, object])
def test_answers_are_taken_in_double_precision(swap, dtype):
    X, named = swap[1][:30], Teacher(bump_teacher, classes=[0, 1, 2])
    student = Shaky([0, 0, 0])
    student.predict_proba = lambda X: np.eye(3)[bump_teacher(X).argmax(axis=1)].astype(dtype)
    pair = model_pair.ModelPair(student, named.bind(X))
    proba, labels, uncertainty = pair.student_answers(X, X)
    assert (proba.dtype, uncertainty.dtype) == (np.float64, np.float64)
    np.testing.assert_array_equal(labels, bump_teacher(X).argmax(axis=1))
    assert (uncertainty == 0).all()


def test_rows_within_the_tolerance_are_probabilities(swap):
    X, named = swap[1][:2], Teacher(bump_teacher, classes=[0, 1, 2])
    student = Shaky([0, 0, 0])
    student.predict_proba = lambda X: np.array([[1.0005, 0.0005, -0.001], [0.5009, 0.5, 0.0]])
    proba, labels, _ = model_pair.ModelPair(student, named.bind(X)).student_answers(X, X)
    assert proba.tolist() == student.predict_proba(X).tolist() and labels.tolist() == [0, 0]


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


def test_a_pipeline_of_sktime_does_not_bring_the_teacher_of_what_it_made_of_the_series(toy, swap):
    from sktime.transformations.exponent import ExponentTransformer

    from tsdistill.sktime import SaliencyDistilledTSC

    X, y = toy
    inside = SaliencyDistilledTSC(bump_teacher, "fcn", max_epochs=1, n_windows=4, n_mixtures=0)
    pipeline = (ExponentTransformer(power=3) * inside).fit(X[:, np.newaxis], y)
    more = swap[1][:30, np.newaxis]
    with pytest.raises(ParameterError, match="a ClassifierPipeline has no teacher of its own that"):
        DeferringClassifier(pipeline, max_disagreement=0.9).fit(more)
    both = DeferringClassifier(pipeline, bump_teacher, max_disagreement=0.9).fit(more)
    alone = more[~both.defers(more)]
    assert len(alone) > 20
    np.testing.assert_array_equal(both.predict(alone), pipeline.predict(alone))


def test_the_students_own_teacher_passed_again_keeps_the_scale_of_fit(quick, toy, swap):
    def calibrated(model):
        return Teacher(model, classes=[0, 1, 2], scale="calibrated")

    student = quick(calibrated(bump_teacher), max_epochs=1).fit(*toy)
    assert student.teacher_.factor != 1
    again = DeferringClassifier(student, calibrated(bump_teacher), 0.9, 0.5).fit(swap[1])
    assert again.teacher_.factor == student.teacher_.factor
    other = calibrated(lambda X: bump_teacher(X))
    other = DeferringClassifier(student, other, 0.9, 0.5).fit(swap[1])
    plain = Teacher(bump_teacher, classes=[0, 1, 2])
    plain = DeferringClassifier(student, plain, 0.9, 0.5).fit(swap[1])
    assert other.teacher_.factor == plain.teacher_.factor == 1


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


def test_students_without_names_do_not_hear_those_of_columns(toy, swap):
    frame = pd.DataFrame(swap[1], columns=[f"t{i}" for i in range(20)])
    student = KNeighborsClassifier(5).fit(*toy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = DeferringClassifier(student, bump_teacher, 0.3, 0.9).fit(frame)
        labels = model.predict(frame)
    np.testing.assert_array_equal(labels, model.predict(swap[1]))


def test_students_without_names_get_arrays(toy, swap):
    X, y = toy
    series = swap[1][:60]
    columns = [pd.Series(x) for x in series]
    neighbours = KNeighborsClassifier(5).fit(X, y)
    summary = SummaryClassifier(estimator=LogisticRegression()).fit(X[:, np.newaxis], y)
    for student in (neighbours, summary):
        told = DeferringClassifier(student, bump_teacher, 0.5, 0.6).fit(series).predict(series)
        for same in (pd.DataFrame(series), list(series), pd.Series(columns)):
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


def cells(X):
    """Copies of all series, whatever holds them."""
    if isinstance(X, pd.DataFrame) and isinstance(X.iloc[0, 0], pd.Series):
        return np.stack([[cell.to_numpy(copy=True) for cell in row] for row in X.to_numpy()])
    return np.array(X)


class TurnsSeries:
    """A student that answers as the teacher does, and then writes to what it was given."""

    classes_ = np.array([0, 1, 2])

    def predict_proba(self, X):
        proba = bump_teacher(cells(X))
        if isinstance(X, np.ndarray):
            X *= -1
        elif isinstance(X.iloc[0, 0], pd.Series):
            for cell in X.to_numpy().ravel():
                cell *= -1
        else:
            X.iloc[:] *= -1
        return proba


class TurnsNamedColumns(TurnsSeries):
    feature_names_in_ = np.array([f"t{i}" for i in range(20)])


class TurnsNamedChannels(TurnsSeries):
    _channel_names = ["acc"]


@pytest.mark.parametrize(
    ("student", "as_given"),
    [
        (TurnsSeries(), np.array),
        (TurnsSeries(), pd.DataFrame),
        (TurnsNamedColumns(), lambda X: pd.DataFrame(X, columns=[f"t{i}" for i in range(20)])),
        (TurnsNamedChannels(), lambda X: pd.DataFrame({"acc": [pd.Series(x) for x in X]})),
    ],
)
def test_students_that_write_to_their_series_change_nothing(swap, student, as_given):
    X = as_given(swap[1][:100])
    before = cells(X)
    model = DeferringClassifier(student, bump_teacher, 0.1, 0.9).fit(X)
    assert model.disagreement_ == 0 and model.deferral_rate_ == 0
    np.testing.assert_array_equal(model.predict(X), bump_teacher(before).argmax(axis=1))
    model.predict_proba(X), model.defers(X)
    np.testing.assert_array_equal(cells(X), before)


class Rounded:
    """A student whose surest probabilities are a rounding error above 1, the others below 0."""

    classes_ = np.array([0, 1, 2])

    def predict_proba(self, X):
        proba = np.where(np.eye(3)[bump_teacher(X).argmax(axis=1)] == 1, 1 + 2e-9, -1e-9)
        unsure = X[:, 0] > 0.8
        proba[unsure] = np.roll(0.6 * np.round(proba[unsure]) + 0.4 / 3, 1, axis=1)
        return proba


def test_probabilities_a_rounding_error_below_0_count_as_0(swap):
    X = swap[1]
    model = DeferringClassifier(Rounded(), bump_teacher, 0.05, 0.9).fit(X)
    assert model.threshold_ == 1.0 and model.disagreement_ == 0
    assert model.deferral_rate_ == np.mean(X[:, 0] > 0.8) == model.defers(X).mean()


def test_a_torch_teacher_is_asked_where_it_lies_beside_another_student(
    quick, toy, swap, monkeypatch
):
    student, X = swap
    devices = []

    def query(teacher, panel, options):
        devices.append(options.device)
        return model_pair_query(teacher, panel, options)

    model_pair_query = model_pair.query
    monkeypatch.setattr(model_pair, "query", query)
    teacher = torch.nn.Linear(20, 3)
    monkeypatch.setattr(teacher, "to", None)  # as if it could not be moved
    DeferringClassifier(student, Teacher(teacher), 0.99, 0.5).fit(X).predict(X)
    assert devices and set(devices) == {None}
    devices.clear()
    student = quick(student="fcn", max_epochs=1, device="cpu").fit(*toy)
    DeferringClassifier(student, bump_teacher, 0.99, 0.5).fit(X).predict(X)
    assert {str(device) for device in devices} == {"cpu"}
