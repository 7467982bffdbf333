import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from torch import nn

from tests.conftest import Counted, Holder, bump_teacher
from tsdistill import Teacher
from tsdistill.estimators import settings as estimators_settings
from tsdistill.students import Lite

ALL = 12 + 400
"""Series and mixtures."""
FIRST_FIT = 2 + ALL + 12 + ALL * 4
"""Shape of the answers, series and mixtures, probes for memory, windows."""


def test_a_second_fit_goes_on_without_asking_the_teacher(toy, quick):
    teacher = Counted()
    student = quick(teacher, warm_start=True, max_epochs=4).fit(*toy)
    first, plan, asked = student.history_, student._transfer_set.plan, teacher.n_asked
    student.set_params(max_epochs=6).fit(*toy)
    assert teacher.n_asked == asked  # though its content changed as it was asked
    assert student._transfer_set.plan is plan
    assert student.history_[:4] == first
    assert [row["epoch"] for row in student.history_] == list(range(1, 11))
    assert len(student.student_.history) == 10


def test_a_shorter_second_fit_keeps_the_windows_that_were_asked_about(toy, quick, monkeypatch):
    monkeypatch.setattr(estimators_settings, "SHORT", 3)
    teacher = Counted()
    student = quick(teacher, warm_start=True, max_epochs=3).fit(*toy)
    plan, asked = student._transfer_set.plan, teacher.n_asked
    assert (plan.donor < 0).any()
    student.set_params(max_epochs=2).fit(*toy)
    assert teacher.n_asked == asked and student._transfer_set.plan is plan
    student.set_params(donors="opposing").fit(*toy)
    assert (student._transfer_set.plan.donor >= 0).all()
    student.set_params(donors=None, saliency="class", n_mixtures=0, max_epochs=3).fit(*toy)
    assert (student._transfer_set.plan.donor >= 0).all()


def test_it_starts_from_the_weights_of_the_first(toy, quick):
    X, y = toy
    student = quick(warm_start=True, max_epochs=40, n_windows=8).fit(X, y)
    expected = student.predict_proba(X)
    student.set_params(lr=1e-12, max_epochs=1).fit(X, y)
    # The statistics of batch normalisation come from another random pass.
    np.testing.assert_allclose(student.predict_proba(X), expected, atol=1e-2)
    fresh = clone(student).fit(X, y)
    assert np.abs(fresh.predict_proba(X) - expected).max() > 0.1


def test_it_learns_on(toy, quick):
    student = quick(warm_start=True, max_epochs=10, n_windows=8).fit(*toy)
    before = student.fidelity_score(toy[0], metric="kl")
    for _ in range(3):
        student.fit(*toy)
    assert student.fidelity_score(toy[0], metric="kl") > before


def test_without_it_every_fit_starts_anew(toy, quick):
    X, y = toy
    student = quick().fit(X, y)
    first = student.predict_proba(X)
    np.testing.assert_array_equal(student.fit(X, y).predict_proba(X), first)
    assert len(student.history_) == 3
    assert student._transfer_set is None


@pytest.mark.parametrize(
    "changes", [{"window_size": 0.3}, {"n_windows": 6}, {"donors": "any"}], ids=str
)
def test_other_probing_is_asked_about(toy, quick, changes):
    teacher = Counted()
    student = quick(teacher, warm_start=True).fit(*toy)
    teacher.n_asked = 0
    student.set_params(**changes).fit(*toy)
    assert len(student.history_) == 6
    assert teacher.n_asked == ALL * changes.get("n_windows", 4)


def test_another_teacher_is_asked(toy, quick):
    first, second = Counted(), Counted()
    student = quick(first, warm_start=True).fit(*toy)
    first.n_asked = 0
    student.set_params(teacher=second).fit(*toy)
    assert (first.n_asked, second.n_asked) == (0, FIRST_FIT)


def test_a_teacher_that_changed_is_asked_or_fitted_again(toy, quick):
    X, y = toy
    student = quick(LogisticRegression(C=1e-6), warm_start=True).fit(X, y)
    assert student.set_params(teacher__C=1e6).fit(X, y).teacher_.model.C == 1e6
    model = student.teacher_.model
    assert student.fit(X, y, sample_weight=np.arange(1, 13)).teacher_.model is not model
    model = student.teacher_.model
    assert student.set_params(class_weight={0: 9.0}).fit(X, y).teacher_.model is not model

    fitted = LogisticRegression(C=1e-6).fit(X, y)
    student = quick(fitted, warm_start=True).fit(X, y)
    fitted.set_params(C=1e6).fit(X, y)
    expected = np.log(np.maximum(fitted.predict_proba(X), 1e-4))
    clean = student.fit(X, y)._transfer_set.answers.clean[:12]
    np.testing.assert_allclose(clean, expected, atol=0.01)

    members = [fitted]
    student = quick(members, warm_start=True).fit(X, y)
    before = student._transfer_set.answers.clean
    members.append(LogisticRegression(C=1e-6).fit(X, y))
    assert np.abs(student.fit(X, y)._transfer_set.answers.clean - before).max() > 0.1


def test_windows_are_asked_about_when_they_are_first_needed(toy, quick):
    teacher = Counted()
    student = quick(teacher, warm_start=True, saliency_weight=0).fit(*toy)
    teacher.n_asked = 0
    student.set_params(saliency_weight=5.0).fit(*toy)
    assert teacher.n_asked == FIRST_FIT - 2 - 12
    assert "saliency" not in student.history_[2] and "saliency" in student.history_[3]


def test_other_series_are_asked_about_and_must_have_the_same_shape_and_classes(toy, quick):
    X, y = toy
    teacher = Counted()
    student = quick(teacher, warm_start=True).fit(X, y)
    expected = student.predict_proba(X)
    teacher.n_asked = 0
    student.fit(X + 0.01, y)
    assert teacher.n_asked == FIRST_FIT and len(student.history_) == 6
    expected = student.predict_proba(X)
    with pytest.raises(ValueError, match="classes"):
        student.set_params(teacher=Teacher(bump_teacher, classes=[5, 6, 7])).fit(X, y + 5)
    with pytest.raises(ValueError, match="15 features"):
        student.fit(X[:, :15], y)
    with pytest.raises(ValueError, match="fitted on 2-D"):
        student.fit(X[:, None], y)
    np.testing.assert_array_equal(student.predict_proba(X), expected)


def test_series_that_were_changed_in_place_are_other_series(toy, quick):
    X, y = toy[0][:, np.newaxis].astype(np.float32), toy[1]
    teacher = Counted()
    student = quick(teacher, warm_start=True).fit(X, y)
    teacher.n_asked = 0
    X += 0.5
    student.fit(X, y)
    assert teacher.n_asked == FIRST_FIT


def test_another_student_cannot_go_on(toy, quick):
    student = quick(warm_start=True).fit(*toy)
    expected = student.predict_proba(toy[0])
    student.set_params(student=Lite(n_filters=2))
    with pytest.raises(ValueError, match="warm_start=True.*other layers"):
        student.fit(*toy)
    np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)
    student.set_params(warm_start=False).fit(*toy)
    assert len(student.history_) == 3


def test_held_out_series_stay_held_out(toy, quick):
    X, y = np.tile(toy[0], (4, 1)), np.tile(toy[1], 4)
    student = quick(
        warm_start=True, random_state=None, validation_fraction=0.25, saliency_weight=0
    ).fit(X, y)
    (rows,) = student._transfer_set.held_out.values()
    student.fit(X, y)
    (again,) = student._transfer_set.held_out.values()
    np.testing.assert_array_equal(again, rows)
    assert all("valid_loss" in row for row in student.history_)


def test_an_unfitted_teacher_is_not_fitted_again_for_the_same_series(toy, quick):
    X, y = toy
    student = quick(LogisticRegression(), warm_start=True).fit(X, y)
    model = student.teacher_.model
    assert student.fit(X, y).teacher_.model is model
    assert student.fit(X + 0.1, y).teacher_.model is not model


def test_without_labels_and_after_a_pickle(toy, quick):
    student = quick(warm_start=True, max_epochs=5).fit(toy[0])
    copied = pickle.loads(pickle.dumps(student))
    np.testing.assert_array_equal(
        copied.fit(toy[0]).predict_proba(toy[0]), student.fit(toy[0]).predict_proba(toy[0])
    )
    assert len(copied.history_) == 10


def test_a_failed_fit_leaves_student_and_transfer_set(toy, quick):
    student = quick(warm_start=True).fit(*toy)
    expected = student.predict_proba(toy[0])
    with pytest.raises(RuntimeError, match="loss became"):
        student.set_params(lr=1e30, max_epochs=20).fit(*toy)
    np.testing.assert_array_equal(student.predict_proba(toy[0]), expected)
    student.set_params(lr=0.01, max_epochs=3).fit(*toy)
    assert len(student.history_) == 6


def test_buffers_go_along(toy, quick):
    X, y = toy
    student = quick(warm_start=True, max_epochs=10).fit(X, y)
    mean = student.student_.module_.standardise.mean.clone()
    student.fit(X + 1.0, y)
    assert torch.equal(student.student_.module_.standardise.mean, mean)


def test_columns_with_other_labels_are_another_teacher(toy, quick):
    X, _ = toy
    names = np.array(["a", "b", "c"])
    teacher = Teacher(bump_teacher, classes=names)
    student = quick(teacher, warm_start=True, max_epochs=1).fit(X)
    expected = student._transfer_set.answers.clean[:, [1, 0, 2]]
    student.set_params(teacher=Teacher(bump_teacher, classes=["b", "a", "c"])).fit(X)
    np.testing.assert_allclose(student._transfer_set.answers.clean, expected, atol=1e-6)
    assert student.teacher_.predict(X[:3]).tolist() == ["b", "a", "c"]
    assert student.classes_.tolist() == names.tolist()


class Scaled(nn.Linear):
    """A module with a plain attribute, and one that may count its queries."""

    def __init__(self, counts=False):
        super().__init__(20, 3)
        self.scale, self.counts, self.count = 1.0, counts, 0
        with torch.no_grad():
            self.weight.zero_()
            for k in range(3):
                self.weight[k, 2 + 6 * k : 6 + 6 * k] = 1.0

    def forward(self, x):
        self.count += self.counts
        return self.scale * super().forward(x.flatten(1))


def flip_scale(module):
    module.scale = -1.0


def flip_weights(module):
    with torch.no_grad():
        module.weight.neg_()
        module.bias.neg_()


@pytest.mark.parametrize(
    ("teacher_of", "counts", "change"),
    [
        (lambda module: module, False, flip_scale),
        (lambda module: module, True, flip_weights),
        (Holder, False, flip_scale),
        (Holder, False, flip_weights),
    ],
)
def test_a_module_that_changed_is_asked_again(toy, quick, teacher_of, counts, change):
    module = Scaled(counts)
    student = quick(teacher_of(module), warm_start=True, max_epochs=1).fit(toy[0])
    before = student._transfer_set.answers.clean
    np.testing.assert_array_equal(student.fit(toy[0])._transfer_set.answers.clean, before)
    change(module)
    now = student.fit(toy[0])._transfer_set.answers.clean
    assert np.abs(now - before).max() > 0.1


def hook_in(module):
    module.register_forward_hook(lambda module, inputs, answers: -answers)


def replace_lambda(module):
    module.read = lambda answers: -answers


def replace_bound_method(module):
    module.read = Reader(-1.0).read


class Reader:
    def __init__(self, sign):
        self.sign = sign

    def read(self, answers):
        return self.sign * answers


class Reads(Scaled):
    """A module whose answers pass through a function that it keeps."""

    def __init__(self, read):
        super().__init__()
        self.read = read

    def forward(self, x):
        return self.read(super().forward(x))


@pytest.mark.parametrize(
    ("read", "change"),
    [
        (Reader(1.0).read, hook_in),
        (lambda answers: answers, replace_lambda),
        (Reader(1.0).read, replace_bound_method),
    ],
    ids=["hook", "lambda", "bound method"],
)
def test_a_module_whose_functions_changed_is_followed(toy, quick, read, change):
    module = Reads(read)
    student = quick(module, warm_start=True, max_epochs=1).fit(toy[0])
    before = student._transfer_set.answers.clean
    np.testing.assert_array_equal(student.fit(toy[0])._transfer_set.answers.clean, before)
    change(module)
    now = student.fit(toy[0])._transfer_set.answers.clean
    assert (now.argmax(axis=1) == before.argmin(axis=1)).all()


def test_a_function_that_counts_its_queries_is_not_asked_again(toy, quick):
    asked = []

    def teacher(X):
        asked.append(len(X))
        return bump_teacher(X)

    student = quick(teacher, warm_start=True, max_epochs=1).fit(*toy)
    before = sum(asked)
    student.fit(*toy)
    assert sum(asked) == before and len(student.history_) == 2
