"""Losses and saliencies against a reference of 60 digits, at extreme logits.

Tolerances are stated beside each comparison. A divergence is a sum of terms that cancel, so its
error is absolute: about the rounding of one probability, times the squared temperature.
"""

import itertools

import mpmath
import numpy as np
import pytest
import torch

from tsdistill.objectives import (
    class_saliency,
    explanation_loss,
    gradient_cosine_loss,
    label_loss,
    logit_change,
    saliency_loss,
    soft_target_loss,
    sum_saliency,
)
from tsdistill.objectives.saliency import decoupled_saliency

mpmath.mp.dps = 60
DTYPES = [torch.float32, torch.float64]
TEMPERATURES = (0.5, 1.0, 4.0, 20.0)
ROWS = {
    "moderate": (1.5, -0.5, 0.25),
    "equal": (3.0, 3.0, 3.0),
    "tie at the top": (1e4, 1e4, -1e4),
    "one dominates": (1e4, -1e4, 0.0),
    "another dominates": (-1e4, 0.0, 1e4),
    "probabilities of 1e-30": (0.0, -69.0, -69.5),
    "hardly different": (1.5, -0.5, 0.250001),
    "signed zeros": (-0.0, 0.0, -0.0),
    "denormal": (1e-40, -1e-40, 1e-45),
    "large and equal": (1e4, 1e4, 1e4),
}
PAIRS = list(itertools.product(ROWS, ROWS))
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def exact(values):
    """The numbers that a tensor holds, as they are, in 60 digits."""
    return [mpmath.mpf(float(value)) for value in values]


def log_softmax(logits, temperature=1.0):
    scaled = [z / mpmath.mpf(temperature) for z in exact(logits)]
    total = mpmath.log(sum(mpmath.exp(z - max(scaled)) for z in scaled)) + max(scaled)
    return [z - total for z in scaled]


def slow_terms(first, second, temperature):
    """The terms of tau^2 KL(first || second)."""
    p, q = log_softmax(first, temperature), log_softmax(second, temperature)
    return [
        mpmath.mpf(temperature) ** 2 * mpmath.exp(a) * (a - b) for a, b in zip(p, q, strict=True)
    ]


def rows_of(dtype):
    first = torch.tensor([ROWS[a] for a, _ in PAIRS], dtype=dtype)
    second = torch.tensor([ROWS[b] for _, b in PAIRS], dtype=dtype)
    return first, second


def compare(found, expected, rtol, atol=0.0):
    """Finite, and equal but for the tolerances."""
    assert torch.isfinite(found).all()
    expected = np.array([[float(value) for value in np.atleast_1d(row)] for row in expected])
    np.testing.assert_allclose(
        found.double().numpy().reshape(expected.shape), expected, rtol=rtol, atol=atol
    )


@each_dtype
@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_divergences(dtype, temperature):
    eps = torch.finfo(dtype).eps
    first, second = rows_of(dtype)
    terms = [slow_terms(a, b, temperature) for a, b in zip(first, second, strict=True)]
    sums = [sum(row) for row in terms]
    within = {"rtol": 8 * eps, "atol": 8 * temperature**2 * eps}
    compare(soft_target_loss(second, first, temperature), sums, **within)
    compare(class_saliency(first, second[:, None], temperature), terms, **within)
    compare(sum_saliency(first, second[:, None], temperature), sums, **within)


@each_dtype
def test_the_other_classes_keep_their_digits_beside_a_large_target(dtype):
    eps = torch.finfo(dtype).eps
    clean, perturbed = torch.tensor([[14.0, 0.0, 0.5]]), torch.tensor([[[-3.0, 1.0, 2.0]]])
    found = decoupled_saliency(
        clean.to(dtype), perturbed.to(dtype), torch.tensor([0]), temperature=1.0
    )
    target, *others = slow_terms(clean[0], perturbed[0, 0], 1.0)
    compare(found[0], [target], rtol=8 * eps)
    compare(found[1], [sum(others)], rtol=64 * eps)


@each_dtype
def test_label_loss(dtype):
    logits = torch.tensor(list(ROWS.values()), dtype=dtype)
    eps = torch.finfo(dtype).eps
    for k in range(3):
        expected = [-log_softmax(row)[k] for row in logits]
        found = label_loss(logits, torch.full((len(logits),), k))
        compare(found, expected, rtol=4 * eps, atol=4 * eps)


@each_dtype
def test_logit_change(dtype):
    first, second = rows_of(dtype)
    expected = []
    for a, b in zip(first, second, strict=True):
        change = [x - y for x, y in zip(exact(a), exact(b), strict=True)]
        expected.append([one - sum(change) / len(change) for one in change])
    size = torch.maximum(first.abs(), second.abs()).amax(dim=1, keepdim=True).double().numpy()
    found = logit_change(first, second[:, None])[:, 0].double().numpy()
    error = np.abs(found - np.array(expected, dtype=float))
    limit = 4 * torch.finfo(dtype).eps * size + 1e-44  # the last digit of the larger logit
    assert np.isfinite(found).all() and (error <= limit).all()


@each_dtype
def test_slopes_of_extreme_logits_are_finite(dtype):
    first, second = rows_of(dtype)
    student = second.clone().requires_grad_()
    for loss in (
        soft_target_loss(student, first, 4.0),
        label_loss(student, torch.zeros(len(first)).long()),
        sum_saliency(first, student[:, None], 4.0),
        class_saliency(student, first[:, None], 1.0),
    ):
        (slope,) = torch.autograd.grad(loss.sum(), student)
        assert torch.isfinite(slope).all()


MAPS = {
    "moderate": (1.0, -2.0, 3.0),
    "another": (0.5, 2.0, 1.0),
    "opposite": (-1.0, 2.0, -3.0),
    "constant": (2.0, 2.0, 2.0),
    "tiny": (1e-30, -2e-30, 3e-30),
    "large": (1e30, -2e30, 3e30),
    "of one value": (0.0, 1.0, 0.0),
}


@each_dtype
def test_gradient_cosine_loss(dtype):
    maps = torch.tensor(list(MAPS.values()), dtype=dtype)
    for a, b in itertools.product(range(len(maps)), repeat=2):
        x, z = exact(maps[a]), exact(maps[b])
        dot = mpmath.fdot(x, z)
        size = mpmath.sqrt(mpmath.fdot(x, x) * mpmath.fdot(z, z))
        found = gradient_cosine_loss(maps[a][None, None], maps[b][None, None])
        compare(found, [1 - dot / size], rtol=0, atol=4 * torch.finfo(dtype).eps)
    zero = torch.zeros(1, 1, 3, dtype=dtype)
    assert gradient_cosine_loss(zero, maps[:1, None]).tolist() == [1]


@each_dtype
def test_explanation_loss(dtype):
    maps = torch.tensor(list(MAPS.values()), dtype=dtype)
    for a, b in itertools.product(range(len(maps)), repeat=2):
        scale = maps[b].abs().amax()
        expected = [
            ((x - z) / exact([scale])[0]) ** 2
            for x, z in zip(*map(exact, (maps[a], maps[b])), strict=True)
        ]
        if max(expected) > torch.finfo(dtype).max:
            continue  # a map of 1e30 in units of 1e-30
        found = explanation_loss(maps[a][None], maps[b][None], scale[None])
        compare(found, [sum(expected) / 3], rtol=16 * torch.finfo(dtype).eps)


@each_dtype
def test_saliency_loss(dtype):
    """SmoothL1 on both sides of its bend at 1, and at it."""
    eps = torch.finfo(dtype).eps
    for difference in (0.0, -0.0, 1e-20, 1e-3, 0.999, 1.0, 1.001, 1e4, 1e30):
        pair = torch.tensor([[difference, 0.0], [0.0, difference]], dtype=dtype)
        scales = torch.tensor([[1e-4], [2.0]], dtype=dtype)
        for scale in scales:
            x = abs(exact([pair[0, 0]])[0] / exact(scale)[0])
            one = x**2 / 2 if x < 1 else x - mpmath.mpf("0.5")
            found = saliency_loss(pair, 0 * pair, scale, scale)
            compare(found, [one / 2] * 2, rtol=8 * eps, atol=float(torch.finfo(dtype).tiny))
