"""Whole numbers are found behind weights that were rounded, and behind no others."""

import numpy as np
import pytest

from tsdistill.export.codes import CodesOf
from tsdistill.students.rounding import Rounding

CODES = np.array(
    [
        [[3, -7, 0], [1, 2, 5]], [[-4, 6, 7], [0, 0, 1]],
        [[7, 7, -6], [2, 3, 4]], [[0, 1, 2], [3, 4, 5]],
    ]
)  # fmt: skip
SCALE = np.array([0.5, 0.013, 2.0, 1.0], dtype=np.float32)
WEIGHT = (CODES * SCALE[:, None, None]).astype(np.float32)


@pytest.fixture
def codes_of():
    return CodesOf(Rounding(4, {"weight": CODES.astype(np.int8)}, {"weight": SCALE}))


def product(axis, codes, scale):
    shape = [1] * codes.ndim
    shape[axis] = -1
    return codes * scale.reshape(shape)


CHANGES = {
    "nothing": (0, lambda weight: weight),
    "factors of the outputs": (0, lambda weight: weight * [[[3.0]], [[-0.7]], [[1e-4]], [[1.0]]]),
    "padding": (0, lambda weight: np.pad(weight, ((0, 0), (1, 2), (2, 0)))),
    "another order of axes": (2, lambda weight: weight.transpose(1, 2, 0)),
    "another order of outputs": (0, lambda weight: weight[::-1]),
    "two axes": (1, lambda weight: weight.reshape(4, -1).T),
    "an output of zeros": (0, lambda weight: weight * [[[1.0]], [[0.0]], [[1.0]], [[1.0]]]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_codes_times_scales_are_the_weight(name, codes_of):
    expected, change = CHANGES[name]
    weight = change(WEIGHT).astype(np.float32)
    axis, codes, scale = codes_of(weight)
    assert axis == expected and (codes.dtype, scale.dtype) == (np.int8, np.float32)
    assert codes.shape == weight.shape and scale.shape == weight.shape[axis : axis + 1]
    np.testing.assert_allclose(product(axis, codes, scale), weight, rtol=1e-6)


def moved(by):
    """The weight, of which one number is moved by a share of the largest of its output."""
    weight = WEIGHT.copy()
    weight[2, 1, 0] += by * weight[2].max()
    return weight


def test_errors_of_float32_are_allowed_and_no_larger_ones(codes_of):
    codes = codes_of(moved(5e-7))[1]
    np.testing.assert_array_equal(codes, CODES)
    assert codes_of(moved(3e-6)) is None


def test_other_weights_have_no_codes(codes_of):
    rng = np.random.default_rng(0)
    for other in (
        rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 7)), WEIGHT + WEIGHT[::-1], SCALE,
        np.zeros((0, 3)),
    ):  # fmt: skip
        assert codes_of(np.float32(other)) is None


def test_a_weight_of_zeros_is_zero_times_one(codes_of):
    axis, codes, scale = codes_of(np.zeros((3, 4), dtype=np.float32))
    assert axis == 0 and not codes.any() and scale.tolist() == [1, 1, 1]
