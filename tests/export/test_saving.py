"""A classifier comes back from its file as it was, without its teacher."""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetClassifier
from torch import nn

from tests.conftest import bump_teacher
from tests.estimators.test_fitted_state import FITTED
from tests.export.conftest import OwnNetwork, bumps, small, teacher_of_last
from tests.export.test_archive import archive_of, members_of
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import (
    ExportError,
    ParameterError,
    SavedFileError,
    StudentError,
    TeacherError,
)
from tsdistill.objectives import ExplanationAutoencoder, InputNoise, Objective
from tsdistill.students import GRU, Inception, Lite, ResNet

DATA = Path(__file__).parent / "data"


@pytest.fixture
def reloaded(tmp_path):
    """Saves and loads a classifier."""

    def there_and_back(classifier, **settings):
        path = tmp_path / "student.tsdistill"
        classifier.save(path)
        return SaliencyDistilledClassifier.load(path, **settings)

    return there_and_back


def assert_same(found, expected, X):
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    for fill in (None, "mean", "zero"):
        np.testing.assert_array_equal(found.explain(X, fill=fill), expected.explain(X, fill=fill))
    assert found.predict(X).dtype == expected.predict(X).dtype


STUDENTS = [
    "lite", "inception", "fcn", "resnet", "gru",
    Lite(n_filters=np.int64(2), kernel_sizes=np.array([5, 3]), stride=1),
    Inception(n_filters=2, n_blocks=6, kernel_sizes=[5, 3]),
    ResNet(n_filters=2, n_blocks=2), GRU(hidden_size=4, n_layers=2, bidirectional=True),
]  # fmt: skip


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_answers_and_maps_are_bitwise_those_of_before(student, n_channels, reloaded):
    classifier = small(student, n_channels)
    loaded = reloaded(classifier)
    X = bumps(n_channels)[0]
    assert_same(loaded, classifier, X)
    assert type(loaded.student_.module_) is type(classifier.student_.module_)
    assert_same(reloaded(loaded), classifier, X)


def test_the_layers_of_an_autoencoder_come_back(reloaded):
    auxiliary = ExplanationAutoencoder(n_questions=200, n_filters=3)
    classifier = small(auxiliary=auxiliary, n_mixtures=0)
    loaded = reloaded(classifier)
    X = bumps()[0]
    assert_same(loaded, classifier, X)
    maps = loaded.explain(X, method="autoencoder")
    np.testing.assert_array_equal(maps, classifier.explain(X, method="autoencoder"))
    assert loaded.auxiliary[0].get_params() == auxiliary.get_params()


@pytest.mark.parametrize(
    "labels",
    [["a", "b", "long name"], [1.0, 2.0, 3.0], [-1, 1, 2], np.array([1, 2, 3], dtype=np.uint8),
     np.array(["x", "y", "z"], dtype=object)],
    ids=str,
)  # fmt: skip
def test_labels_come_back_with_their_dtype(labels, reloaded):
    classifier = small(labels=labels)
    loaded = reloaded(classifier)
    assert loaded.classes_.dtype == classifier.classes_.dtype
    assert_same(loaded, classifier, bumps()[0])
    target = classifier.classes_[0]
    X = bumps()[0]
    np.testing.assert_array_equal(
        loaded.explain(X, target=target), classifier.explain(X, target=target)
    )


def test_all_that_fit_sets_is_there_and_parameters_have_their_values(reloaded):
    settings = {
        "window_size": 4, "class_weight": {0: 1.0, 1: 2.0, 2: 1.0}, "lr": np.float64(0.02),
        "callbacks": [], "donors": "same", "random_state": 3, "verbose": 0,
    }  # fmt: skip
    classifier = small(Lite(n_filters=2), **settings)
    loaded = reloaded(classifier)
    assert set(vars(loaded)) >= FITTED
    before, after = classifier.get_params(), loaded.get_params()
    for name in before.keys() - {"teacher", "callbacks", "student"}:
        assert after[name] == before[name], name
    assert loaded.student.get_params() == classifier.student.get_params()
    assert loaded.teacher is None and loaded.callbacks is None and loaded.history_ == []
    assert loaded.n_queries_ == classifier.n_queries_
    assert clone(loaded).get_params()["window_size"] == 4


def test_names_of_columns_and_channels_are_checked_after_loading_too(reloaded):
    X, y = bumps()
    frame = pd.DataFrame(X[:, 0], columns=[f"t{i}" for i in range(20)])
    classifier = SaliencyDistilledClassifier(bump_teacher, "fcn", max_epochs=2, n_windows=4)
    loaded = reloaded(classifier.fit(frame, y))
    np.testing.assert_array_equal(loaded.predict(frame), classifier.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"t0": "other"}))
    nested = [pd.DataFrame({"a": one[0], "b": one[1]}) for one in bumps(2)[0]]
    classifier = SaliencyDistilledClassifier(teacher_of_last, "fcn", max_epochs=2, n_windows=4)
    loaded = reloaded(classifier.fit(nested, y))
    np.testing.assert_array_equal(loaded.predict(nested), classifier.predict(nested))
    with pytest.raises(ValueError, match="channels"):
        loaded.predict([one.rename(columns={"a": "c"}) for one in nested])


def test_without_its_teacher_it_says_what_needs_one(fitted, reloaded):
    loaded, X = reloaded(fitted), bumps()[0]
    for use in (
        lambda: loaded.fidelity_score(X),
        lambda: loaded.fidelity_report(X),
        lambda: loaded.explain(X, of="teacher"),
        lambda: loaded.explain(X, of="teacher", method="gradient"),
        lambda: loaded.teacher_.predict(X),
    ):
        with pytest.raises(TeacherError, match=r"load\(path, teacher=\.\.\.\)"):
            use()
    with pytest.raises(TeacherError):
        loaded.fit(*bumps())
    assert_same(loaded, fitted, X)  # nothing was lost
    assert_same(pickle.loads(pickle.dumps(loaded)), fitted, X)
    assert "teacher=None" in repr(loaded)


def test_a_teacher_given_to_load_is_used_as_before(reloaded):
    X, y = bumps()
    forest = RandomForestClassifier(10, random_state=0).fit(X[:, 0], np.array(["a", "b", "c"])[y])
    for teacher in (forest, Teacher(forest, scale=0.5), [forest, Teacher(forest, scale=2.0)]):
        classifier = SaliencyDistilledClassifier(teacher, "fcn", max_epochs=2, n_windows=4)
        classifier.fit(X[:, 0], np.array(["a", "b", "c"])[y])
        loaded = reloaded(classifier, teacher=teacher)
        for metric in ("kl", "saliency"):
            expected = classifier.fidelity_score(X[:, 0], metric=metric)
            assert loaded.fidelity_score(X[:, 0], metric=metric) == expected
        assert loaded.teacher is teacher
        loaded.fit(X[:, 0], np.array(["a", "b", "c"])[y])


def test_a_file_that_was_loaded_and_saved_without_the_teacher_keeps_its_scales(reloaded):
    X, y = bumps()
    forest = RandomForestClassifier(10, random_state=0).fit(X[:, 0], y)
    for teacher in (Teacher(forest, scale="calibrated"), [forest, Teacher(forest, scale=2.0)]):
        classifier = SaliencyDistilledClassifier(teacher, "fcn", max_epochs=2, n_windows=4)
        classifier.fit(X[:, 0], y)
        again = reloaded(reloaded(classifier), teacher=teacher)
        expected = classifier.fidelity_score(X[:, 0], metric="kl")
        assert again.fidelity_score(X[:, 0], metric="kl") == expected


def test_teachers_that_do_not_fit_are_refused(fitted, reloaded):
    X, y = bumps()
    with pytest.raises(TeacherError, match="is not fitted"):
        reloaded(fitted, teacher=RandomForestClassifier())
    forest = RandomForestClassifier(2, random_state=0).fit(X[:, 0], y == 1)
    with pytest.raises(TeacherError, match="classes"):
        reloaded(small(labels=["a", "b", "c"]), teacher=forest)
    with pytest.raises(TeacherError, match="a list of other models"):
        reloaded(small(), teacher=[teacher_of_last, teacher_of_last])


def test_modules_of_the_user_are_passed_to_load(reloaded):
    X = bumps()[0]
    for student, again in (
        (OwnNetwork(1, 20, 3, scale=2.0), lambda *shape: OwnNetwork(*shape, scale=2.0)),
        (OwnNetwork, OwnNetwork),
        (OwnNetwork, OwnNetwork(1, 20, 3)),
        (NeuralNetClassifier(OwnNetwork(1, 20, 3), lr=0.1, max_epochs=2), OwnNetwork),
    ):
        classifier = small(student)
        with pytest.raises(StudentError, match="pass student="):
            reloaded(classifier)
        loaded = reloaded(classifier, student=again)
        assert_same(loaded, classifier, X)
        assert loaded.student is again
    with pytest.raises(StudentError, match="gives other answers"):
        reloaded(small(OwnNetwork(1, 20, 3, scale=2.0)), student=OwnNetwork)
    with pytest.raises(StudentError, match=r"'linear.weight' is saved as \(\(3, 20\)"):
        reloaded(small(OwnNetwork), student=lambda *shape: OwnNetwork(1, 21, 3))
    with pytest.raises(StudentError, match="expected one of 'lite'"):
        reloaded(small(OwnNetwork), student="none")


def test_a_module_of_the_user_inside_an_autoencoder(reloaded):
    auxiliary = ExplanationAutoencoder(n_questions=200, n_filters=3)
    classifier = small(OwnNetwork, auxiliary=auxiliary, n_mixtures=0)
    loaded = reloaded(classifier, student=OwnNetwork)
    assert_same(loaded, classifier, bumps()[0])


def test_a_student_that_gives_probabilities_still_does(reloaded):
    class Proba(OwnNetwork):
        def forward(self, x):
            return super().forward(x).softmax(1)

    net = NeuralNetClassifier(Proba(1, 20, 3), criterion=nn.NLLLoss, lr=0.1, max_epochs=2)
    classifier = small(net)
    assert_same(reloaded(classifier, student=Proba), classifier, bumps()[0])


class OwnObjective(Objective):
    name = "own"

    def losses(self, answers, sample_weight):
        return answers.student.square().mean(dim=1)


def test_objectives_of_the_package_come_back_and_those_of_the_user_do_not(reloaded, tmp_path):
    loaded = reloaded(small(auxiliary=[InputNoise(weight=0.5, n_draws=2)]))
    assert loaded.auxiliary[0].get_params() == InputNoise(weight=0.5, n_draws=2).get_params()
    loaded = reloaded(small(auxiliary=OwnObjective(), random_state=np.random.RandomState(0)))
    assert loaded.auxiliary is None and loaded.random_state is None
    with zipfile.ZipFile(tmp_path / "student.tsdistill") as archive:
        config = json.loads(archive.read("config.json"))
    assert config["parameters_left_out"] == ["auxiliary", "random_state", "teacher"]


@pytest.mark.parametrize("name", ["Answers", "saliency_loss", "none of them"])
def test_what_a_file_calls_an_objective_has_to_be_one(name, tmp_path):
    path = tmp_path / "student"
    small(auxiliary=[InputNoise()]).save(path)
    (member, text), tensors = members_of(path.read_bytes())
    path.write_bytes(archive_of((member, text.replace(b"InputNoise", name.encode())), tensors))
    with pytest.raises(SavedFileError, match=f"{name} is no objective"):
        SaliencyDistilledClassifier.load(path)


def test_what_cannot_be_saved_is_said(fitted, tmp_path):
    with pytest.raises(NotFittedError):
        SaliencyDistilledClassifier(bump_teacher).save(tmp_path / "file")

    class Odd(OwnNetwork):
        def get_extra_state(self):
            return "more"

        def set_extra_state(self, state):
            pass

    with pytest.raises(ExportError, match="_extra_state of the student Odd cannot be saved"):
        small(Odd).save(tmp_path / "file")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ParameterError, match="device='gpu' cannot be used"):
        fitted.save(tmp_path / "file")
        SaliencyDistilledClassifier.load(tmp_path / "file", device="gpu")


def test_a_classifier_that_trains_further_after_loading(reloaded):
    classifier = small(warm_start=True)
    loaded = reloaded(classifier, teacher=teacher_of_last)
    before = loaded.predict_proba(bumps()[0])
    loaded.fit(*bumps())
    assert len(loaded.history_) == 3
    assert np.abs(loaded.predict_proba(bumps()[0]) - before).max() < 0.5


def test_random_states_are_left_as_they_were(fitted, tmp_path):
    fitted.save(tmp_path / "file")
    states = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    fitted.save(tmp_path / "file")
    SaliencyDistilledClassifier.load(tmp_path / "file")
    assert (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states


@pytest.mark.parametrize("name", ["fcn", "lite_with_autoencoder"])
def test_files_of_format_version_1_can_be_read_for_ever(name):
    loaded = SaliencyDistilledClassifier.load(DATA / f"version_1_{name}.tsdistill")
    expected = json.loads((DATA / f"version_1_{name}.json").read_text())
    X = np.array(expected["X"], dtype=np.float32)
    np.testing.assert_allclose(loaded.predict_proba(X), expected["proba"], atol=1e-5)
    np.testing.assert_allclose(loaded.explain(X), expected["maps"], atol=1e-4)
    assert loaded.classes_.tolist() == expected["classes"]


def test_what_load_would_refuse_is_not_saved(tmp_path):
    path = tmp_path / "student.tsdistill"
    halved = small()
    halved.student_.module_.double()
    with pytest.raises(ExportError, match="cannot be saved so that it loads again"):
        halved.save(path)

    class Masked(OwnNetwork):
        def __init__(self, *shape):
            super().__init__(*shape)
            self.register_buffer("mask", torch.full((2, 2), -np.inf))

    with pytest.raises(ExportError, match=r"'network.mask' holds NaN or infinity"):
        small(Masked).save(path)
    assert not list(tmp_path.iterdir())


def test_a_lazy_module_is_said_to_be_so(reloaded):
    def lazy(*shape):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))

    classifier = small(lazy)
    with pytest.raises(StudentError, match="layers without shapes"):
        reloaded(classifier, student=lazy)
    ready = nn.Sequential(nn.Flatten(), nn.Linear(20, 3))
    assert_same(reloaded(classifier, student=ready), classifier, bumps()[0])


class Wider(SaliencyDistilledClassifier):
    """A subclass with parameters of its own, which are not saved."""

    def __init__(self, teacher, more=3):
        super().__init__(teacher, "fcn", max_epochs=2, n_windows=4, random_state=0)
        self.more = more


def test_a_subclass_comes_back_with_its_own_class(tmp_path):
    X, y = bumps()
    classifier = Wider(teacher_of_last, more=5).fit(X, y)
    classifier.save(tmp_path / "file")
    loaded = Wider.load(tmp_path / "file")
    assert type(loaded) is Wider and loaded.more == 3 and loaded.max_epochs == 2
    assert_same(loaded, classifier, X)
    assert_same(SaliencyDistilledClassifier.load(tmp_path / "file"), classifier, X)


def test_a_failing_module_given_to_load_is_the_students_fault(reloaded):
    class Failing(OwnNetwork):
        def forward(self, x):
            raise RuntimeError("no")

    with pytest.raises(StudentError):
        reloaded(small(OwnNetwork), student=Failing)
