"""Measures of maps that are NaN after the end of each series: those of each series alone."""

import numpy as np
import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import deletion_curve, insertion_curve
from tsdistill.fidelity.maps import per_series_correlation, per_series_overlap
from tsdistill.fidelity.truth import per_series_auprc, per_series_auroc
from tsdistill.inputs.lengths import padded

LENGTHS = (40, 11, 25, 12)


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    return [[rng.normal(size=n) for n in LENGTHS] for _ in range(2)]


@pytest.mark.parametrize("measure", [per_series_correlation, per_series_overlap])
def test_two_models_maps_are_compared_up_to_the_end(maps, measure):
    together = measure(*(padded(of_model) for of_model in maps))
    alone = [measure(a[None], b[None])[0] for a, b in zip(*maps, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-12)


@pytest.mark.parametrize("measure", [per_series_auprc, per_series_auroc])
def test_a_map_is_compared_with_the_truth_up_to_the_end(maps, measure):
    rng = np.random.default_rng(1)
    masks = [rng.random(n) < 0.3 for n in LENGTHS]
    mask = np.zeros((4, 40), dtype=bool)
    for row, one in zip(mask, masks, strict=True):
        row[: len(one)] = one
    together = measure(padded(maps[0]), mask)
    alone = [measure(a[None], b[None])[0] for a, b in zip(maps[0], masks, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-12)
    mask[1, 20] = True
    with pytest.raises(ParameterError, match="maps have NaN"):
        measure(padded(maps[0]), mask)


def log_proba(panel):
    """Of the mean over the values that there are; NaN stands after the ends alone."""
    lengths = (~np.isnan(panel[:, 0])).sum(axis=1)
    assert all(np.isnan(one[0, n:]).all() for one, n in zip(panel, lengths, strict=True))
    z = np.nanmean(panel, axis=(1, 2), dtype=np.float64)
    return -np.logaddexp(0, np.stack([z, -z], axis=1))


@pytest.mark.parametrize("curve", [deletion_curve, insertion_curve])
@pytest.mark.parametrize("per_channel", [False, True])
def test_curves_replace_what_is_there(maps, curve, per_channel):
    panel, target, fill = padded(maps[1])[:, None], np.array([0, 1, 1, 0]), np.zeros((1, 1, 1))
    of_panel = padded(maps[0])[:, None] if per_channel else padded(maps[0])
    _, together = curve(log_proba, panel, of_panel, target, fill)
    for i, (one, series) in enumerate(zip(*maps, strict=True)):
        _, alone = curve(log_proba, series[None, None], one[None], target[i : i + 1], fill)
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)


def test_curves_refuse_nan_that_is_in_one_of_both(maps):
    panel, whole = padded(maps[1])[:, None], np.zeros((4, 40))
    for series, one in ((panel, whole), (np.zeros((4, 1, 40)), padded(maps[0]))):
        with pytest.raises(ParameterError, match="has NaN or infinity"):
            deletion_curve(log_proba, series, one, np.zeros(4, int), np.zeros((1, 1, 1)))
