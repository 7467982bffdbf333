"""A network comes back from a description and weights that fit each other, and from no others."""

import numpy as np
import pytest
import torch
from torch import nn

from tsdistill.exceptions import SavedFileError, StudentError
from tsdistill.export.networks import (
    SCALE,
    check_same_state,
    decoded_student,
    described,
    encoded_student,
    rebuilt,
    state_of,
    unrounded,
)
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet
from tsdistill.students.explained import ExplainedStudent

SHAPE = 1, 20, 3


def description(student, **more):
    return {"student": encoded_student(student), "layers": [], "bits": None} | more


def tensors(n):
    return {str(i): np.zeros(1, np.float32) for i in range(n)}


NO_FIT = "the saved weights do not fit the student"


@pytest.mark.parametrize(
    ("student", "n_tensors", "message"),
    [
        (Lite(n_filters=1, kernel_sizes=(5, 3)), 2, NO_FIT),
        (Lite(n_filters=1, kernel_sizes=(5, 3)), 1, r"Lite of \[2\] layers .* the 1 tensors"),
        (Inception(1, 2, (5, 3)), 4, NO_FIT),
        (Inception(1, 2, (5, 3)), 3, r"Inception of \[2, 2\] layers .* the 3 tensors"),
        (Inception(1, 0, (5, 3)), 9, r"of \[0, 2\] layers"),
        (Inception(1, 2, ()), 9, r"of \[2, 0\] layers"),
        (Inception(1, 1.0, (5, 3)), 9, r"of \[1.0, 2\] layers"),
        (ResNet(1, 3), 9, NO_FIT),
        (GRU(1, 4097), 5000, r"of \[4097\] layers does not fit the 5000 tensors"),
        (Lite(1, (3,), stride=1024, dilation=1024, pool=1023), 9, NO_FIT),
        (Lite(1, (3,), stride=1025), 9, "stride, dilation or pool of the Lite is too large"),
        (Lite(1, (3,), dilation=1025), 9, "stride, dilation or pool of the Lite is too large"),
        (Lite(1, (3,), pool=1025), 9, "stride, dilation or pool of the Lite is too large"),
        (Lite(1, (3,), pool=2.5), 9, "stride, dilation or pool of the Lite is too large"),
        (Lite(2**20, (3,)), 9, NO_FIT),
        (Lite(2**20 + 1, (3,)), 9, "a size of the Lite is too large"),
        (Lite(1, (2**20 + 1, 3)), 9, "a size of the Lite is too large"),
        (Lite(1, (3.0, 3)), 9, "cannot be built"),
        (FCN(-1), 9, "cannot be built"),
    ],
    ids=str,
)
def test_a_student_is_only_built_if_it_is_no_larger_than_its_tensors(student, n_tensors, message):
    with pytest.raises(SavedFileError, match=message):
        rebuilt(description(student), tensors(n_tensors), SHAPE)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"n_filters": 1}] * 8, NO_FIT),
        ([{"n_filters": 1}] * 9, "there are 9 of them"),
        ([{"n_filters": 2**20 - 1}], NO_FIT),
        ([{"n_filters": 2**20}], "n_filters=1048576"),
        ([{"n_filters": 0}], "n_filters=0"),
        ([{"n_filters": 2.0}], "n_filters=2.0"),
        ([{}], "around the student cannot be built: 'n_filters'"),
        ("x", "around the student cannot be built"),
    ],
)
def test_layers_around_a_student_are_few_and_not_too_wide(layers, message):
    with pytest.raises(SavedFileError, match=message):
        rebuilt(description(FCN(1), layers=layers), tensors(9), SHAPE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "none"}, "cannot be built: 'none'"),
        ({"parameters": {}}, "it has the parameters"),
        ({"parameters": {"n_filters": 1, "kernel_sizes": [3], "more": 1}}, "it has the parameters"),
        ({"parameters": []}, "cannot be built"),
    ],
)
def test_a_student_has_the_parameters_that_it_has(change, message):
    with pytest.raises(SavedFileError, match=message):
        decoded_student(encoded_student(FCN(1)) | change)


def test_files_from_before_pools_and_bottlenecks_have_none():
    encoded = encoded_student(Lite(3, (5, 3)))
    for name in ("pool", "bottleneck"):
        encoded["parameters"].pop(name)
    student = decoded_student(encoded)
    assert (student.pool, student.bottleneck) == (1, None)
    assert (student.n_filters, student.kernel_sizes) == (3, (5, 3))


class Around(nn.Module):
    """Layers of an objective of the user's around a student."""

    holds = "inner"

    def __init__(self):
        super().__init__()
        self.inner = FCN(1).build(*SHAPE)


def test_a_network_is_described_by_its_student_and_the_layers_around_it():
    plain = {"bits": None, "student": None}
    assert described(nn.Linear(2, 3)) == plain | {"layers": []}
    assert described(Around()) == plain | {"layers": None}
    twice = ExplainedStudent(ExplainedStudent(nn.Flatten(), 1, 3, 5), 1, 3, 2)
    assert described(twice) == plain | {"layers": [{"n_filters": 2}, {"n_filters": 5}]}
    assert type(described(twice)["layers"][0]["n_filters"]) is int


def test_a_module_of_the_user_is_built_with_all_that_is_around_it():
    module = nn.Sequential(nn.Flatten(), nn.Linear(20, 3))
    for layers in (None, []):
        about = {"student": None, "layers": layers, "bits": None}
        net = rebuilt(about, state_of(module), SHAPE, student=module)
        series = np.ones((2, 1, 20), np.float32)
        np.testing.assert_array_equal(net.forward(series), module(torch.tensor(series)).detach())
        assert len(net.classes_) == 3


CODES = np.array([[7, -7], [0, 1]], dtype=np.int8)
SCALES = np.array([0.5, 2.0], dtype=np.float32)


def test_rounded_weights_are_codes_times_scales():
    bias = np.ones(2, np.float32)
    state, rounding = unrounded({"w": CODES, SCALE + "w": SCALES, "bias": bias}, 4)
    assert state.keys() == {"w", "bias"} and rounding.bits == 4
    np.testing.assert_array_equal(state["w"], [[3.5, -3.5], [0, 2]])
    assert unrounded({"bias": bias}, None) == ({"bias": bias}, None)
    for bits, code in ((2, 1), (8, -127)):  # all codes may be the same
        codes = np.full((2, 1), code, np.int8)
        state, _ = unrounded({"w": codes, SCALE + "w": SCALES}, bits)
        np.testing.assert_array_equal(state["w"], codes * SCALES[:, None])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": CODES + np.int8([[1, 0], [0, 0]])}, "codes and scales of the weight 'w' do not fit"),
        ({"w": CODES - np.int8([[0, 1], [0, 0]])}, "do not fit"),
        ({"w": CODES[0]}, "do not fit"),
        ({"w": CODES[:0], SCALE + "w": SCALES[:0]}, "do not fit"),
        ({"w": CODES.astype(np.int16)}, "do not fit"),
        ({SCALE + "w": SCALES[:1]}, "do not fit"),
        ({SCALE + "w": SCALES.astype(np.float64)}, "do not fit"),
        ({SCALE + "v": SCALES}, "of the weight 'v' do not fit"),
    ],
)
def test_codes_and_scales_have_to_fit(changes, message):
    with pytest.raises(SavedFileError, match=message):
        unrounded({"w": CODES, SCALE + "w": SCALES} | changes, 4)


@pytest.mark.parametrize("bits", [None, 1, 9, 4.0, True])
def test_bits_have_to_be_such(bits):
    with pytest.raises(SavedFileError, match=f"bits={bits} of the weights cannot be"):
        unrounded({"w": CODES, SCALE + "w": SCALES}, bits)
    if bits is not None:
        with pytest.raises(SavedFileError, match=f"bits={bits} of the weights cannot be"):
            unrounded({"w": CODES}, bits)


def test_weights_that_do_not_fit_are_named_and_counted():
    network = nn.Linear(2, 3)
    state = state_of(network)
    check_same_state(network, state, StudentError)
    with pytest.raises(StudentError, match=r"'weight' is saved as None, .*; 1 of 2 differ"):
        check_same_state(network, {"bias": state["bias"]}, StudentError)
    more = state | {"more": np.zeros(3)}
    with pytest.raises(StudentError, match=r"'more' is saved as \(\(3,\), 'float64'\), expected N"):
        check_same_state(network, more, StudentError)
    with pytest.raises(StudentError, match=r"expected \(\(3,\), 'float32'\).*; 2 of 3 differ"):
        check_same_state(network, more | {"bias": state["bias"][:2]}, StudentError)
    with pytest.raises(StudentError, match="Linear: 'x{100}' is saved"):
        check_same_state(network, state | {"x" * 200: np.zeros(1)}, StudentError)


def test_states_are_copies(tmp_path):
    network = nn.Linear(2, 3)
    state = state_of(network)
    with torch.no_grad():
        network.weight.zero_()
    assert state["weight"].any()
