"""Labels of every kind."""

import enum

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tests.conftest import bump_teacher
from tsdistill import Teacher
from tsdistill.exceptions import PanelError, ParameterError

LABELS = {
    "strings": np.array(["up", "down", "flat"]),
    "unicode objects": np.array(["up", "down", "flat"], dtype=object),
    "negative": np.array([-3, -1, 2]),
    "floats": np.array([1.0, 2.0, 3.0]),
    "unsigned": np.array([3, 200, 255], dtype=np.uint8),
}


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("container", [np.asarray, list, pd.Series, pd.Categorical])
def test_labels_of_any_kind(toy, quick, kind, container):
    X, codes = toy
    y = LABELS[kind][codes]
    teacher = Teacher(bump_teacher, classes=LABELS[kind])
    student = quick(teacher, max_epochs=20).fit(X, container(y))
    assert student.classes_.tolist() == sorted(LABELS[kind].tolist())
    assert student.score(X, container(y)) > 0.9
    assert np.mean(student.predict(X) == y) > 0.9
    assert student.explain(X[:2], target=y[:2]).shape == (2, 20)


def test_two_classes_that_are_bools(toy, quick):
    X, codes = toy
    y = codes == 1
    student = quick(LogisticRegression(), max_epochs=20).fit(X, y)
    assert student.classes_.tolist() == [False, True]
    assert student.predict(X).dtype == bool
    assert student.score(X, y) > 0.9


NUMBERS = {"ints": [0, 3, 5], "bools": [False, True, True], "floats": [1.0, 2.0, 3.0]}


def check_objects_are_as_numbers(teacher, X, y, quick):
    expected = quick(teacher, max_epochs=1).fit(X, y)
    student = quick(teacher, max_epochs=1).fit(X, y.astype(object))
    assert student.classes_.dtype == expected.classes_.dtype == y.dtype
    assert student.classes_.tolist() == np.unique(y).tolist()
    np.testing.assert_array_equal(student.predict_proba(X), expected.predict_proba(X))
    assert student.predict(X).dtype == y.dtype


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_in_an_array_of_objects_are_labels_of_their_own_dtype(toy, quick, kind):
    X, codes = toy
    y = np.array(NUMBERS[kind])[codes]
    check_objects_are_as_numbers(LogisticRegression().fit(X, y), X, y, quick)


@pytest.mark.parametrize("kind", NUMBERS)
def test_an_unfitted_teacher_gets_numbers_instead_of_objects(toy, quick, kind):
    X, codes = toy
    y = np.array(NUMBERS[kind])[codes]
    check_objects_are_as_numbers(LogisticRegression(), X, y, quick)


def test_strings_in_an_array_of_objects_stay_objects(toy, quick):
    X, codes = toy
    y = np.array(["up", "down", "flat"], dtype=object)[codes]
    student = quick(LogisticRegression(), max_epochs=1).fit(X, y)
    assert student.classes_.dtype == object
    assert student.classes_.tolist() == ["down", "flat", "up"]


@pytest.mark.parametrize(
    ("labels", "types"),
    [
        ([0, "a", 1], "'int', 'str'"),
        (["a", None, "b"], "'NoneType', 'str'"),
        ([0, None, 1], "'NoneType', 'int'"),
        ([(0,), (1,), (2,)], "'tuple'"),
    ],
    ids=["int and str", "None and str", "None and int", "tuples"],
)
def test_labels_of_several_types_are_refused(toy, quick, labels, types):
    X, codes = toy
    y = np.empty(len(X), dtype=object)
    y[:] = [labels[k] for k in codes]
    with pytest.raises(PanelError) as caught:
        quick(max_epochs=1).fit(X, y)
    assert str(caught.value) == (
        f"y holds labels of the types {types}; expected labels of one type, numbers or strings, "
        "such as y.astype(str)."
    )


def test_continuous_labels_are_refused_by_name(toy, quick):
    X, y = toy
    with pytest.raises(PanelError, match="^y cannot be used as labels: Unknown label type"):
        quick(max_epochs=1).fit(X, y + 0.5)


@pytest.mark.parametrize("target", [{}, [{}]], ids=repr)
def test_a_target_that_is_no_label_is_refused(toy, quick, target):
    X, y = toy
    student = quick(max_epochs=1).fit(X, y)
    with pytest.raises(ParameterError, match=r"^target=.*; expected labels of \[0, 1, 2\]\."):
        student.explain(X[:1], target=target)


class Movement(str, enum.Enum):
    """Names that begin alike, and are longer than the values."""

    upward = "up"
    upset = "flat"
    down = "down"


@pytest.mark.parametrize("container", [list, lambda y: pd.Series(y, dtype=object)])
def test_members_of_a_str_enumeration_are_their_values(toy, quick, container):
    X, codes = toy
    y = container([list(Movement)[k] for k in codes])
    teacher = Teacher(bump_teacher, classes=["up", "flat", "down"])
    student = quick(teacher, max_epochs=1).fit(X, y)
    assert student.classes_.tolist() == ["down", "flat", "up"]
    assert student.score(X, y) == np.mean(student.predict(X) == [one.value for one in y])
    assert student.explain(X[:1], target=Movement.upset).shape == (1, 20)


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]"])
def test_whole_numbers_of_pandas_stay_whole_and_apart(toy, quick, dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    X, codes = toy
    y = pd.Series(2**53 + codes, dtype=dtype)  # as floats, two of these are one number
    student = quick(max_epochs=1).fit(X, y)
    assert student.classes_.tolist() == [2**53, 2**53 + 1, 2**53 + 2]
    assert student.score(X, y) == np.mean(student.predict(X) == 2**53 + codes)


def test_labels_that_differ_in_a_trailing_nul_keep_their_donors(toy, quick):
    X, codes = toy
    y = np.array(["a", "a\0", "b"], dtype=object)[codes]
    plain = quick(max_epochs=1).fit(X, codes).predict_proba(X)
    np.testing.assert_array_equal(quick(max_epochs=1).fit(X, y).predict_proba(X), plain)


def test_labels_of_half_precision_are_reported(toy, quick):
    X, codes = toy
    student = quick(max_epochs=1).fit(X, codes.astype(np.float16))
    report = student.fidelity_report(X, codes.astype(np.float16))
    assert report.per_class.index.tolist() == [0.0, 1.0, 2.0]


def test_a_time_that_is_missing_is_no_label(toy, quick):
    X, codes = toy
    y = np.array(["2020", "2021", "NaT"], dtype="M8[Y]")[codes]
    with pytest.raises(PanelError, match=r"y holds NaT for \d+ of \d+ series; expected a label"):
        quick(max_epochs=1).fit(X, y)
