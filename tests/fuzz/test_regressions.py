"""Cases that properties of this folder found, each as small as it was shrunk."""

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.naive_bayes import GaussianNB

from tests.fuzz.oddities import FLAT_SERIES
from tests.fuzz.students import fitted, tiny
from tests.fuzz.teachers import SPOILS, Odd, Scores
from tsdistill import SwapContract, Teacher
from tsdistill.exceptions import (
    PanelError,
    PanelTypeError,
    ParameterError,
    TeacherError,
    TsdistillError,
)

HALVES = np.arange(6) % 2


def test_labels_of_bytes_are_refused_by_name():
    with pytest.raises(PanelError, match="^y cannot be used as labels: .*bytes"):
        tiny().fit(FLAT_SERIES, [b"a", b"b"] * 3)


def test_structured_labels_are_refused():
    y = np.array([(int(h), 1) for h in HALVES], dtype=[("a", int), ("b", int)])
    with pytest.raises(PanelError, match="^y holds values of type .*expected numbers or strings"):
        tiny().fit(FLAT_SERIES, y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (0, r"^y has shape \(\); expected one label for each of the 6 series\.$"),
        (HALVES[:-1], r"^y has shape \(5,\); expected one label for each of the 6 series\.$"),
        (HALVES + 0.5, "^y cannot be compared with the predictions: .*continuous"),
        (["only"] * 6, "^y cannot be compared with the predictions: .*string and number"),
        (np.where(HALVES, np.nan, 0.0), "^y cannot be compared with the predictions: .*NaN"),
        ([b"a", b"b"] * 3, "^y cannot be compared with the predictions: .*bytes"),
        ([[0, 1]] * 5 + [[0]], "^y is no array of one shape"),
    ],
)
def test_labels_that_cannot_be_scored_are_named(y, message):
    with pytest.raises(TsdistillError, match=message):
        fitted().score(FLAT_SERIES, y)


def test_labels_to_compare_with_may_be_a_tensor_of_any_dtype():
    y = torch.tensor(HALVES, dtype=torch.bfloat16)
    expected = fitted().fidelity_score(FLAT_SERIES, HALVES, metric="accuracy")
    assert fitted().fidelity_score(FLAT_SERIES, y, metric="accuracy") == expected


@pytest.mark.parametrize("y", [torch.zeros(6, device="meta"), torch.zeros(6).to_sparse()])
def test_tensors_without_values_are_no_labels_to_compare_with(y):
    with pytest.raises(PanelError, match="^y is a tensor that cannot be an array"):
        fitted().fidelity_score(FLAT_SERIES, y, metric="accuracy")


def test_ragged_labels_are_none_to_compare_with():
    with pytest.raises(ParameterError, match="^y is no array of one shape"):
        fitted().fidelity_score(FLAT_SERIES, [[0, 1]] * 5 + [[0]], metric="accuracy")


def test_a_long_device_is_cut_in_the_error():
    with pytest.raises(ParameterError, match="^device='aaaa") as caught:
        tiny(device="a" * 10**5).fit(FLAT_SERIES, HALVES)
    assert len(str(caught.value)) < 600


def test_classes_of_a_teacher_that_cannot_be_sorted_are_refused():
    teacher = Teacher(Scores(2), classes=[None, 1])
    with pytest.raises(TeacherError, match=r"has classes=\[None, 1\], which cannot be sorted"):
        tiny(teacher).fit(FLAT_SERIES)


@pytest.mark.parametrize("first", range(2, 6))
def test_a_teacher_that_answers_with_more_columns_later_is_refused(first):
    teacher = Odd(SPOILS["a column more"], "a column more", first)
    with pytest.raises(
        TeacherError, match=r"^Teacher\(Odd\) answered with 3 columns, but at first"
    ):
        tiny(teacher, n_mixtures=3).fit(FLAT_SERIES, HALVES)


@pytest.mark.parametrize("missing", ["refuse", "mask"])
def test_series_of_none_are_refused(missing):
    with pytest.raises(ValueError, match=r"X\[0\] has no value, only NaN|Input X contains NaN"):
        tiny(missing=missing).fit([[None]] * 6, HALVES)


def test_gaps_of_object_dtype_are_checked_as_others_are():
    X = FLAT_SERIES.astype(object)
    X[2, 1:] = None
    with pytest.raises(PanelError, match=r"^X\[2\] has a single timestep"):
        tiny(missing="mask").fit(X, HALVES)


def test_unlabelled_sparse_series_are_refused_by_name():
    with pytest.raises(PanelTypeError, match="^X_unlabelled does not fit X: .*[Ss]parse"):
        tiny().fit(FLAT_SERIES, HALVES, X_unlabelled=scipy.sparse.csr_matrix(FLAT_SERIES))


@pytest.mark.parametrize("missing", ["refuse", "mask"])
def test_arrays_of_different_numbers_of_axes_are_refused(missing):
    series = [np.zeros((6, 8)), np.zeros((6, 1, 8))]
    with pytest.raises(PanelError, match="^X has series of 2 and of 3 axes; expected all of shape"):
        tiny(missing=missing).fit(series, [0, 1])


@pytest.mark.parametrize("missing", ["refuse", "mask"])
def test_numbers_among_cells_that_hold_series_are_refused(missing):
    X = FLAT_SERIES.astype(object)
    X[0, 0] = [1.0]
    with pytest.raises(PanelError, match=r"^X\[0\] has 2.0 in channel 1, where other cells hold s"):
        tiny(missing=missing).fit(X, HALVES)


@pytest.mark.parametrize("missing", ["refuse", "mask"])
def test_matrices_are_refused(missing):
    with pytest.raises(PanelTypeError, match="^X or y cannot be used: np.matrix is not supported"):
        tiny(missing=missing).fit(np.matrix(FLAT_SERIES), HALVES)


def test_balanced_classes_take_huge_weights():
    weight = [1e300, 1e-300, 1e300, 0.0, 0.5, 1e-300]
    student = tiny(class_weight="balanced").fit(FLAT_SERIES, HALVES, sample_weight=weight)
    assert np.isfinite(student.history_[0]["train_loss"])


@pytest.mark.parametrize("X", [np.ones((6, 8)), np.ones((6, 1, 8))])
def test_answers_of_nan_are_told_whatever_other_layout_is_refused(X):
    with pytest.raises(TeacherError, match="GaussianNB answered NaN or infinity for 2 of 2"):
        tiny(GaussianNB()).fit(X, HALVES)


@pytest.mark.parametrize("value", [torch.tensor(-74.0), np.array(-74.0)])
def test_a_value_without_axes_is_a_number_among_objects(value):
    X = FLAT_SERIES.astype(object)
    cell = np.empty((), dtype=object)
    cell[()] = value
    X[0, 0] = cell
    plain = FLAT_SERIES.copy()
    plain[0, 0] = -74.0
    student = fitted()
    np.testing.assert_array_equal(student.predict_proba(X), student.predict_proba(plain))
    with pytest.raises(PanelError, match=r"X\[5\] is .*-74.*, where X\[0\] is a series"):
        student.predict_proba([*FLAT_SERIES[:5], value])


def test_pages_hold_no_character_that_html_does_not_have(tmp_path):
    y = np.array(["a\0b", "c\x07\x85d"] * 3)
    student = tiny(GaussianNB().fit(FLAT_SERIES, y)).fit(FLAT_SERIES, y)
    student.to_html(tmp_path / "student.html", FLAT_SERIES)
    report = student.fidelity_report(FLAT_SERIES, y, n_explained=1)
    report.to_html(tmp_path / "report.html", title="\0")
    checked = SwapContract(class_agreement=0.1, meta={"\0": "\x07"}).check(student, FLAT_SERIES)
    checked.to_html(tmp_path / "checked.html", title="\0")
    for page in tmp_path.iterdir():
        text = page.read_text(encoding="utf-8")
        assert not {"\0", "\x07", "\x85"}.intersection(text) and "\ufffd" in text


def test_an_array_may_be_padded_beyond_its_longest_series():
    X = np.full((6, 1, 8), np.nan)
    X[:, 0, :2] = FLAT_SERIES[:, :2]
    student = tiny().fit(X, HALVES)
    np.testing.assert_array_equal(student.predict_proba(X), student.predict_proba(X[..., :2]))
    with pytest.raises(PanelError, match=r"X\[0\] has 8 timesteps, but the longest .* had 2"):
        student.predict_proba(np.zeros((2, 1, 8)))
