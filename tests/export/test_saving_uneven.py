"""Students of series of unequal length, or with gaps, come back from their files."""

import json

import numpy as np
import pytest

from tests.estimators import test_missing, test_uneven
from tests.export.test_archive import members_of, with_config
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier
from tsdistill.exceptions import PanelError, SavedFileError, TsdistillError
from tsdistill.sktime import SaliencyDistilledTSC
from tsdistill.students import GRU, STUDENTS

KINDS = {"unequal length": test_uneven, "gaps": test_missing}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def there_and_back(classifier, folder, **settings):
    classifier.save(folder / "student.tsdistill")
    return type(classifier).load(folder / "student.tsdistill", **settings)


@pytest.mark.parametrize("student", [*STUDENTS, GRU(hidden_size=4, bidirectional=True)], ids=str)
def test_answers_and_maps_are_bitwise_those_of_before(kind, student, tmp_path):
    new = kind.bumps(10, 1)[0]
    before = kind.quick(student=student).fit(kind.bumps(16, 0)[0])
    again = there_and_back(before, tmp_path, teacher=kind.TEACHER)
    np.testing.assert_array_equal(again.predict_proba(new), before.predict_proba(new))
    for settings in ({}, {"fill": "mean"}, {"of": "teacher"}):
        found, expected = (one.explain(new, **settings) for one in (again, before))
        np.testing.assert_array_equal(found, expected)
    assert again._window_width == before._window_width == 0.1
    twice = there_and_back(again, tmp_path)
    np.testing.assert_array_equal(twice.predict_proba(new), before.predict_proba(new))
    assert twice.missing == before.missing and twice._uneven_form == before._uneven_form


@pytest.mark.parametrize("student", STUDENTS)
def test_rounded_weights_answer_alike_and_are_kept(kind, student, tmp_path):
    new = kind.bumps(20, 1)[0]
    before = kind.quick(student=student, max_epochs=20).fit(kind.bumps(30, 0)[0])
    small = before.quantised()
    assert np.abs(small.predict_proba(new) - before.predict_proba(new)).max() < 0.02
    again = there_and_back(small, tmp_path)
    np.testing.assert_array_equal(again.predict_proba(new), small.predict_proba(new))
    assert again.n_bits_ == 8


def test_what_cannot_be_taken_is_refused_after_loading_too(tmp_path):
    uneven = there_and_back(test_uneven.quick().fit(test_uneven.bumps(16, 0)[0]), tmp_path)
    with pytest.raises(PanelError, match=r"X\[0\] has 90 timesteps"):
        uneven.predict([np.zeros(90), np.zeros(30)])
    with pytest.raises(PanelError, match=r"X\[0\] has a missing value"):
        uneven.predict([np.array([1.0, np.nan] * 15), np.zeros(20)])
    gaps = there_and_back(test_missing.quick().fit(test_missing.bumps(16, 0)[0]), tmp_path)
    with pytest.raises(PanelError, match="X has 30 timepoints"):
        gaps.predict(np.zeros((2, 30)))


def test_a_swap_comes_back(kind, tmp_path):
    new = kind.bumps(20, 1)[0]
    student = kind.quick(max_epochs=20).fit(kind.bumps(30, 0)[0])
    for teacher in (None, kind.TEACHER):
        swap = DeferringClassifier(student, teacher, 0.3, 0.8).fit(new)
        swap.save(tmp_path / "swap")
        again = DeferringClassifier.load(tmp_path / "swap", teacher=kind.TEACHER)
        np.testing.assert_array_equal(again.predict(new), swap.predict(new))


def test_the_class_of_sktime_comes_back(kind, tmp_path):
    X, y = kind.bumps(16, 0)
    X = X if isinstance(X, list) else X[:, None]
    settings = {"max_epochs": 2, "n_windows": 2, "n_mixtures": 2}
    missing = "mask" if kind is test_missing else "refuse"

    def teacher(X):
        series = [one.to_numpy().T if hasattr(one, "columns") else one for one in X]
        return np.concatenate([kind.where_it_is(np.asarray(one)[None]) for one in series])

    student = SaliencyDistilledTSC(teacher, missing=missing, **settings).fit(X, y)
    student.save(tmp_path / "a", serialization_format="tsdistill")
    again = SaliencyDistilledTSC.load(tmp_path / "a")
    np.testing.assert_array_equal(again.predict_proba(X), student.predict_proba(X))


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = tmp_path_factory.mktemp("uneven") / "student"
    test_uneven.quick().fit(test_uneven.bumps(16, 0)[0]).save(path)
    return path.read_bytes()


def test_the_file_says_version_2_and_holds_no_nan(content):
    config = json.loads(members_of(content)[0][1])
    assert config["format"] == 2
    shortest, longest = config["series"]["uneven"]["lengths"]
    assert 20 <= shortest < longest <= 40
    assert config["series"]["uneven"] | {"lengths": None} == {
        "form": "list", "lengths": None, "gaps": False
    }  # fmt: skip


def test_missing_is_saved_as_it_was_in_fit(tmp_path):
    student = test_missing.quick().fit(test_missing.bumps(16, 0)[0]).set_params(missing="refuse")
    assert there_and_back(student, tmp_path).missing == "mask"


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["series"]["uneven"].update(lengths=[2, 10**12]),
        lambda config: config["series"]["uneven"].update(lengths=[39, 100]),
        lambda config: config.update(format=1),
        lambda config: config.update(format=2.0),
        lambda config: config.update(window_width=1.5),
        lambda config: config["series"].pop("uneven"),
    ],
)
def test_ends_beyond_the_series_are_refused(change, content, tmp_path):
    (tmp_path / "a").write_bytes(with_config(content, change))
    with pytest.raises(SavedFileError):
        SaliencyDistilledClassifier.load(tmp_path / "a")


WRONG = (None, [], {}, "x", -1, 0, 10**30, 0.5, True, [1], [3, 2], [2, 10**30], ["a", "b"])


@pytest.mark.parametrize("name", ["form", "lengths", "gaps", "whole"])
def test_ends_that_cannot_be_end_in_a_named_error(name, content, tmp_path):
    n_refused = 0
    for value in WRONG:

        def change(config, value=value):
            if name == "whole":
                config["series"]["uneven"] = value
            else:
                config["series"]["uneven"][name] = value

        (tmp_path / "a").write_bytes(with_config(content, change))
        try:
            loaded = SaliencyDistilledClassifier.load(tmp_path / "a")
            assert loaded.predict_proba(loaded._baselines.series[:, 0]).shape[1] == 2
        except TsdistillError:
            n_refused += 1
    assert n_refused >= len(WRONG) - 2
