"""A fitted swap comes back from its file with its threshold and its guarantee."""

import json
import zipfile

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from tests.conftest import bump_teacher
from tests.export.test_archive import archive_of, members_of
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import ExportError, SavedFileError, TeacherError, TsdistillError
from tsdistill.export.archive import read_archive, write_archive


@pytest.fixture
def series(toy):
    X, _ = toy
    return np.tile(X, (30, 1)) + np.random.default_rng(3).normal(scale=0.8, size=(360, 20))


@pytest.fixture
def fitted(quick, toy, series):
    """A swap that asks its student's own teacher about some series."""
    student = quick(student="fcn", max_epochs=60, n_mixtures=4).fit(*toy)
    swap = DeferringClassifier(student, max_disagreement=0.1).fit(series)
    assert 0 < swap.deferral_rate_ < 1
    return swap


def test_it_comes_back_as_it_was(fitted, series, tmp_path):
    path = tmp_path / "swap.tsdistill"
    fitted.save(path)
    loaded = DeferringClassifier.load(path, teacher=bump_teacher)
    np.testing.assert_array_equal(loaded.defers(series), fitted.defers(series))
    np.testing.assert_array_equal(loaded.predict_proba(series), fitted.predict_proba(series))
    np.testing.assert_array_equal(loaded.predict(series), fitted.predict(series))
    assert set(vars(loaded)) == set(vars(fitted))
    for name, value in vars(fitted).items():
        if isinstance(value, (int, float)):
            assert getattr(loaded, name) == value, name
    for name, value in fitted.curve_.items():
        np.testing.assert_array_equal(loaded.curve_[name], value)
    assert loaded.plot() is not None
    of_teacher = fitted.student_.explain(series[:5], of="teacher")  # it is the student's own
    np.testing.assert_array_equal(loaded.student_.explain(series[:5], of="teacher"), of_teacher)
    assert loaded.fit(series).threshold_ == fitted.threshold_


@pytest.fixture
def promised(fitted, series):
    """A swap of the same student with every promise."""
    return DeferringClassifier(
        fitted.student_, max_disagreement=0.65, promise=("answered", "class"), min_saliency=-0.5,
        max_unlike=0.6,
    ).fit(series)  # fmt: skip


def test_its_promises_come_back(promised, series, tmp_path):
    assert 0 < promised.deferral_rate_ < 1
    promised.save(tmp_path / "swap")
    loaded = DeferringClassifier.load(tmp_path / "swap", teacher=bump_teacher)
    assert loaded.promises_ == promised.promises_
    assert loaded.class_disagreement_ == promised.class_disagreement_
    for name in ("promise", "min_saliency", "max_unlike"):
        assert getattr(loaded, name) == getattr(promised, name)
    np.testing.assert_array_equal(loaded.defers(series), promised.defers(series))
    assert loaded.fit(series).promises_ == promised.promises_


def rewritten(path, change):
    """Change the configuration of a swap in its file."""
    (name, text), tensors = members_of(path.read_bytes())
    config = json.loads(text)
    change(config["swap"])
    path.write_bytes(archive_of((name, json.dumps(config)), tensors))


def test_later_versions_find_its_parts_by_their_names(fitted, tmp_path):
    fitted.save(tmp_path / "swap")
    config, tensors = read_archive(tmp_path / "swap")
    assert (config["kind"], list(config)) == (
        "DeferringClassifier", ["format", "kind", "student", "swap"]
    )  # fmt: skip
    assert set(config["swap"]) == {
        "parameters", "guarantee", "classes", "teacher_is_the_students", "teacher_classes",
        "teacher_factors", "series", "numbers", "promises", "class_disagreement",
    }  # fmt: skip
    curve = ("threshold", "deferral_rate", "disagreement", "bound")
    reference = vars(fitted._reference)
    expected = {f"curve.{name}" for name in curve} | {f"reference.{name}" for name in reference}
    assert {name for name in tensors if not name.startswith("student.")} == expected
    np.testing.assert_array_equal(tensors["curve.bound"], fitted.curve_["bound"])


def test_a_file_written_before_there_were_promises_is_read(fitted, series, tmp_path):
    def before(state):
        del state["promises"], state["class_disagreement"]
        for name in ("promise", "min_saliency", "max_unlike"):
            del state["parameters"][name]

    fitted.save(tmp_path / "swap")
    rewritten(tmp_path / "swap", before)
    loaded = DeferringClassifier.load(tmp_path / "swap", teacher=bump_teacher)
    assert set(vars(loaded)) == set(vars(fitted))
    assert (loaded.promise, loaded.min_saliency, loaded.max_unlike) == ("all", None, 0.05)
    assert loaded.promises_ == fitted.promises_ and loaded.class_disagreement_ == {}
    np.testing.assert_array_equal(loaded.predict(series), fitted.predict(series))
    loaded.save(tmp_path / "again")
    again = DeferringClassifier.load(tmp_path / "again", teacher=bump_teacher)
    assert again.promises_ == fitted.promises_ and again.class_disagreement_ == {}


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["parameters"].update(promise="most"),
        lambda state: state["parameters"].update(max_unlike=2),
        lambda state: state["parameters"].update(more=1),
        lambda state: state["parameters"].pop("confidence"),
        lambda state: state.update(promises={"dict": [["every", {"dict": []}]]}),
        lambda state: state.update(promises={"dict": [["all", {"dict": [["share", 0.1]]}]]}),
        lambda state: state.pop("class_disagreement"),
        lambda state: state["class_disagreement"].pop(),
        lambda state: state.update(class_disagreement=[1, 2, 3]),
        lambda state: state.update(guarantee=[0.1]),
        lambda state: state["numbers"].update(deferral_rate_="few"),
    ],
)
def test_damaged_promises_are_refused(fitted, tmp_path, change):
    fitted.save(tmp_path / "swap")
    rewritten(tmp_path / "swap", change)
    with pytest.raises(TsdistillError):
        DeferringClassifier.load(tmp_path / "swap")


def share(**changed):
    """A share that a swap promises for a class, as a file holds it."""
    values = {"share": 0.25, "bound": 0.5, "n": 16} | changed
    return {"dict": [[key, value] for key, value in values.items() if value is not None]}


@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize(
    "damaged",
    [
        *(share(**{key: "few"}) for key in ("share", "bound", "n")),
        *(share(**{key: None}) for key in ("share", "bound", "n")),  # is not there
        *(share(n=16.5), share(limit=0.5), 0.25, []),
    ],
    ids=str,
)
def test_a_damaged_share_of_a_class_is_refused(fitted, tmp_path, damaged, place):
    fitted.save(tmp_path / "swap")
    rewritten(
        tmp_path / "swap", lambda state: state["class_disagreement"].__setitem__(place, damaged)
    )
    with pytest.raises(SavedFileError, match="the shares that the swap promises are damaged"):
        DeferringClassifier.load(tmp_path / "swap")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.update(promises={"dict": []}), None),
        (lambda state: state.update(promises=[]), "the shares"),
        (lambda state: state.update(promises={"dict": [["every", share(limit=1)]]}), "the shares"),
        (lambda state: state.update(promises={"dict": [["all", share()]]}), "the shares"),
        (lambda state: state.update(class_disagreement={"tuple": [share()] * 3}), "the shares"),
        (lambda state: state.update(class_disagreement=[]), None),
        (lambda state: state.update(class_disagreement=[share()] * 3), None),
        (lambda state: state.update(class_disagreement=[share()] * 2), "the shares"),
        (lambda state: state.update(guarantee={"tuple": [0.5, "high"]}), "the guarantee"),
        (lambda state: state.update(guarantee={"tuple": ["high", 0.5]}), "the guarantee"),
        (lambda state: state.update(guarantee={"tuple": [0.5]}), "the guarantee"),
        (lambda state: state.update(guarantee=[0.5, 0.8]), "the guarantee"),
        (lambda state: state["numbers"].update(threshold_="low"), "the numbers"),
        (lambda state: state["numbers"].update(_max_uncertainty="low"), "the numbers"),
    ],
)
def test_it_is_said_what_is_damaged(fitted, tmp_path, change, message):
    fitted.save(tmp_path / "swap")
    rewritten(tmp_path / "swap", change)
    if message is None:
        DeferringClassifier.load(tmp_path / "swap")
        return
    with pytest.raises(SavedFileError, match=f"{message}.* damaged"):
        DeferringClassifier.load(tmp_path / "swap")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("curve.bound", lambda values: values[:-1]),  # the others are longer
        ("curve.", lambda values: values[:, np.newaxis]),
        ("curve.", lambda values: np.arange(len(values))),
    ],
)
def test_a_damaged_curve_is_refused(fitted, tmp_path, name, damage):
    fitted.save(tmp_path / "swap")
    config, tensors = read_archive(tmp_path / "swap")
    damaged = {key: damage(values) for key, values in tensors.items() if key.startswith(name)}
    write_archive(tmp_path / "swap", config, tensors | damaged)
    with pytest.raises(SavedFileError, match="the curve of the swap is damaged"):
        DeferringClassifier.load(tmp_path / "swap")


def test_without_its_teacher_it_still_knows_what_it_would_defer(fitted, series, tmp_path):
    fitted.save(tmp_path / "swap")
    loaded = DeferringClassifier.load(tmp_path / "swap")
    deferred = loaded.defers(series)
    np.testing.assert_array_equal(deferred, fitted.defers(series))
    alone = series[~deferred]
    np.testing.assert_array_equal(loaded.predict(alone), fitted.predict(alone))
    with pytest.raises(TeacherError, match="load"):
        loaded.predict(series)


def test_a_teacher_of_its_own_keeps_its_scale(quick, toy, series, tmp_path):
    student = quick(student="fcn", max_epochs=60, n_mixtures=4).fit(*toy)
    teacher = Teacher(bump_teacher, classes=[0, 1, 2], scale=2.0)
    swap = DeferringClassifier(student, teacher, max_disagreement=0.1).fit(series)
    swap.save(tmp_path / "swap")
    loaded = DeferringClassifier.load(tmp_path / "swap", teacher=teacher)
    np.testing.assert_array_equal(loaded.predict_proba(series), swap.predict_proba(series))
    DeferringClassifier.load(tmp_path / "swap").save(tmp_path / "swap")  # without the teacher
    again = DeferringClassifier.load(tmp_path / "swap", teacher=teacher)
    np.testing.assert_array_equal(again.predict_proba(series), swap.predict_proba(series))
    assert again.teacher is teacher
    with pytest.raises(TeacherError, match="load"):
        again.student_.explain(series[:5], of="teacher")
    other = Teacher(bump_teacher, classes=["a", "b", "c"])
    with pytest.raises(TsdistillError):
        DeferringClassifier.load(tmp_path / "swap", teacher=other)


def test_a_swap_that_answers_nothing_itself_can_be_saved(quick, toy, series, tmp_path):
    student = quick(student="fcn", max_epochs=1, n_mixtures=4).fit(*toy)
    swap = DeferringClassifier(student, max_disagreement=0.01, promise="answered").fit(series)
    assert swap.deferral_rate_ == 1 and np.isnan(swap.answered_disagreement_)
    swap.save(tmp_path / "swap")
    loaded = DeferringClassifier.load(tmp_path / "swap")
    assert loaded.threshold_ == np.inf and loaded.defers(series).all()
    assert repr(loaded.promises_) == repr(swap.promises_)  # with NaN


def test_the_best_student_of_a_search_is_saved(quick, toy, series, tmp_path):
    X, y = toy
    search = GridSearchCV(quick(student="fcn", max_epochs=30, n_mixtures=4), {"lr": [0.01]}, cv=2)
    swap = DeferringClassifier(search.fit(X, y), bump_teacher, max_disagreement=0.2).fit(series)
    swap.save(tmp_path / "swap")
    loaded = DeferringClassifier.load(tmp_path / "swap", teacher=bump_teacher)
    np.testing.assert_array_equal(loaded.predict(series), swap.predict(series))


def test_what_cannot_be_saved_or_loaded_is_said(swap, fitted, tmp_path):
    student, series = swap
    path = tmp_path / "swap"
    other = DeferringClassifier(student, bump_teacher, max_disagreement=0.2)
    with pytest.raises(NotFittedError):
        other.save(path)
    with pytest.raises(ExportError, match="the student of this swap is a KNeighborsClassifier"):
        other.fit(series).save(path)
    fitted.save(path)
    with pytest.raises(SavedFileError, match="holds a DeferringClassifier; expected a Saliency"):
        SaliencyDistilledClassifier.load(path)
    fitted.student_.save(path)
    with pytest.raises(SavedFileError, match="holds a SaliencyDistilledClassifier; expected a Def"):
        DeferringClassifier.load(path)


def test_values_of_the_wrong_kind_end_in_a_named_error_or_change_nothing(fitted, series, tmp_path):
    path = tmp_path / "swap"
    fitted.save(path)
    (name, text), tensors = members_of(path.read_bytes())
    n_refused = 0
    for place in json.loads(text)["swap"]:
        for value in (None, [], {}, "x", -1, 0.5, {"evil": 1}):
            config = json.loads(text)
            config["swap"][place] = value
            path.write_bytes(archive_of((name, json.dumps(config)), tensors))
            try:
                DeferringClassifier.load(path).defers(series)
            except TsdistillError:
                n_refused += 1
    assert n_refused > 40
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 2
