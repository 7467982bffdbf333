"""Plain values and labels come back from JSON with their types."""

import json

import numpy as np
import pytest

from tsdistill.exceptions import ExportError, SavedFileError
from tsdistill.export.values import decoded, decoded_labels, encoded, encoded_labels, is_plain

VALUES = [
    None, True, 3, -(2**70), 0.1, float("inf"), float("-inf"), "größe \udc80", b"\x00\xff",
    (1, (2.5, "a")), [1, [2]], {"a": 1, 2: (3,), (4, "b"): None}, {"tuple": 1}, {},
]  # fmt: skip


def through_json(value):
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_as_it_was(value):
    back = decoded(through_json(encoded(value)))
    assert back == value and type(back) is type(value)


def test_numbers_of_numpy_become_those_of_python():
    for value in (np.int8(3), np.float32(0.1), np.bool_(True), np.array([1, 2])):
        back = decoded(through_json(encoded(value)))
        assert back == value.tolist() and type(back) is type(value.tolist())
    assert np.isnan(decoded(encoded(float("nan"))))


def test_what_is_not_plain_is_refused():
    nested = 1
    for _ in range(20):
        nested = [nested]
    for value in (object(), {1, 2}, np.random, 1j, np.longdouble(1), nested, [object()]):
        assert not is_plain(value)
        with pytest.raises(ExportError, match="cannot be saved"):
            encoded(value)


LABELS = [
    np.array([True, False]),
    np.array([-1, 1]),
    np.array([1, 2, 300], dtype=np.uint16),
    np.array([2**63, 2**64 - 1], dtype=np.uint64),
    np.array([0.1, 2.5], dtype=np.float32),
    np.array([1.0, 2.0], dtype=">f8"),
    np.array(["a", "bé"]),
    np.array(["a", "b"], dtype="<U30"),
    np.array([b"a", b"b\xff"]),
    np.array(["a", "b"], dtype=object),
    np.array(["2020-01-01", "2021-01-01"], dtype="M8[D]"),
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda labels: str(labels.dtype))
def test_labels_come_back_with_their_dtype(labels):
    back = decoded_labels(through_json(encoded_labels(labels)))
    assert back.dtype == labels.dtype
    np.testing.assert_array_equal(back, labels)


def test_labels_of_numpys_own_strings_come_back():
    if not hasattr(np.dtypes, "StringDType"):
        pytest.skip("NumPy 1 has no such strings")
    labels = np.array(["a", "b" * 100], dtype=np.dtypes.StringDType())
    back = decoded_labels(through_json(encoded_labels(labels)))
    assert back.dtype == labels.dtype and back.tolist() == labels.tolist()


def test_labels_that_cannot_be_kept_exactly_are_refused():
    for labels in (np.array([1, 2], dtype=np.longdouble), np.array([1j, 2])):
        with pytest.raises(ExportError, match="labels of type"):
            encoded_labels(labels)


@pytest.mark.parametrize(
    "value",
    [
        None, [], {"dtype": "<i8"}, {"dtype": 3, "values": [1]}, {"dtype": "V8", "values": [1]},
        {"dtype": "<U1", "values": ["long"]}, {"dtype": "<i1", "values": [300]},
        {"dtype": "<U999999999", "values": ["a", "b"]}, {"dtype": "<i8", "values": ["1"]},
        {"dtype": "O,O", "values": ["1"]}, {"dtype": "<c16", "values": [1]},
        {"dtype": "?", "values": [2]}, {"dtype": "<f8", "values": [{"float": "x"}]},
        {"dtype": "|O", "values": [{"run": "me"}]},
    ],
    ids=repr,
)  # fmt: skip
def test_labels_of_a_hostile_file_are_refused(value):
    with pytest.raises(SavedFileError):
        decoded_labels(value)


@pytest.mark.parametrize(
    "value",
    [
        {"tuple": 3}, {"dict": [[1]]}, {"dict": [[[1], 2]]}, {"bytes": "x"}, {"float": "one"},
        {"module": "os"}, {"module": [["a", 1]]}, {}, {"tuple": [], "dict": []},
        [[[[[[[[[[[[1]]]]]]]]]]]],
    ],
    ids=repr,
)  # fmt: skip
def test_values_of_a_hostile_file_are_refused(value):
    with pytest.raises(SavedFileError):
        decoded(value)


def nested(value, n):
    for _ in range(n):
        value = [value]
    return value


def test_values_are_nested_eight_deep_at_most():
    for value, deep in ((1, 8), ((), 7), ({}, 7), ([], 7)):
        assert decoded(through_json(encoded(nested(value, deep)))) == nested(value, deep)
        with pytest.raises(ExportError):
            encoded(nested(value, deep + 1))
    assert encoded(np.zeros((2, 2))) == [[0.0, 0.0], [0.0, 0.0]]
    for deep in ({"dict": [[1, {"dict": [[1, nested(1, 7)]]}]]}, {"tuple": [nested(1, 8)]}):
        with pytest.raises(SavedFileError, match="nested too deeply"):
            decoded(deep)
    assert decoded({"dict": [[1, {"tuple": [nested(1, 6)]}]]}) == {1: (nested(1, 6),)}


def test_labels_take_one_megabyte_beyond_what_the_longest_needs():
    for width, kept in ((2**17, "<U131072"), (2**17 + 1, "<U2")):
        labels = np.array(["a", "bc"], dtype=f"<U{width}")
        assert encoded_labels(labels) == {"dtype": kept, "values": ["a", "bc"]}
    assert decoded_labels({"dtype": "<U131072", "values": ["a", "bc"]}).tolist() == ["a", "bc"]
    with pytest.raises(SavedFileError, match="<U131073 is wider than its values"):
        decoded_labels({"dtype": "<U131073", "values": ["a", "bc"]})
    long = np.array(["a" * 2**18, "b"])
    np.testing.assert_array_equal(decoded_labels(encoded_labels(long)), long)
    many = np.zeros(2**17 + 1)
    assert encoded_labels(many)["dtype"] == "<f8"
