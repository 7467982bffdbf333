"""What arbitrary arrays and lives of classifiers have brought to light; each is mended."""

import time

import numpy as np
import pytest

from tests.export.conftest import small
from tests.fuzz.oddities import FLAT_SERIES
from tests.fuzz.students import tiny
from tsdistill import fidelity
from tsdistill.exceptions import PanelError, ParameterError

RAGGED = [[0], [0, 1]]
ANSWERS = np.log([[0.9, 0.1], [0.2, 0.8]])
MAPS = np.array([[0.0, 1.0], [2.0, 1.0]])


def flat(X):
    """The log-probabilities of a model that has no opinion."""
    return np.log(np.full((len(X), 2), 0.5))


def test_any_number_of_bins_of_confidence_costs_the_same():
    start = time.perf_counter()
    found = fidelity.expected_calibration_error(ANSWERS, [0, 0], n_bins=2**31 - 1)
    assert found == pytest.approx((0.1 + 0.8) / 2)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "y": lambda: fidelity.accuracy(ANSWERS, RAGGED),
        "groups": lambda: fidelity.by_class(fidelity.agreement, RAGGED, ANSWERS, ANSWERS),
        "arrays": lambda: fidelity.by_class(np.size, [0, 1], RAGGED),
        "mask": lambda: fidelity.auroc(MAPS, RAGGED),
        "columns": lambda: fidelity.bootstrap_interval(np.mean, RAGGED),
        "target": lambda: fidelity.deletion_curve(flat, MAPS[:, None], MAPS, RAGGED, 0.0),
        "groups of a summary": lambda: fidelity.summarise_maps(MAPS, RAGGED),
    }.items(),
)
def test_ragged_arguments_are_refused_by_name(name, call):
    with pytest.raises(ParameterError, match=f"^{name.split()[0]} is no array of one shape: "):
        call()


def test_ragged_labels_to_score_are_refused_by_name():
    model = small(max_epochs=1)
    with pytest.raises(ParameterError, match="^y is no array of one shape: "):
        model.score(np.zeros((2, 1, 20)), RAGGED)


def test_a_map_of_several_channels_whose_every_timestep_is_true_is_left_out():
    maps = np.array([[[0.3, 0.1, np.nan], [0.2, 0.4, np.nan]]])
    assert np.isnan(fidelity.per_series_auprc(maps, ~np.isnan(maps))).all()
    assert np.isnan(fidelity.per_series_auroc(maps, ~np.isnan(maps))).all()


def test_the_correlation_of_maps_that_are_nearly_constant_is_exact():
    rising, least = np.arange(5.0), np.nextafter(1.0, 2.0) - 1
    correlation = fidelity.saliency_correlation([rising], [1 + least * rising])
    assert correlation == pytest.approx(1)


@pytest.mark.parametrize(
    "measure", [fidelity.saliency_correlation, fidelity.top_overlap], ids=lambda one: one.__name__
)
def test_maps_without_a_value_are_refused(measure):
    with pytest.raises(ParameterError, match="expected the same shape .* none of them 0"):
        measure(np.ones((2, 0)), np.ones((2, 0)))
    no_value = np.array([[1.0, 2.0], [np.nan, np.nan]])
    with pytest.raises(ParameterError, match="have no value, only NaN, for 1 series; leave"):
        measure(no_value, no_value)


def test_maps_and_masks_of_no_series_are_refused():
    with pytest.raises(ParameterError, match="with none of them 0, and a boolean mask"):
        fidelity.per_series_auroc(np.ones((0, 0, 2)), np.ones((0, 0, 2), dtype=bool))


def test_a_shape_that_is_an_array_is_cut_in_the_message():
    with pytest.raises(ParameterError, match=r"(?s)^shape=array.*; expected a tuple") as caught:
        fidelity.random_maps(np.zeros((9, 9, 9)))
    assert len(str(caught.value)) < 300


def test_the_bootstrap_takes_a_statistic_that_gives_whole_numbers():
    low, high = fidelity.bootstrap_interval(np.sum, [1, 2, 3, 4], n_resamples=20)
    assert 4 <= low < high <= 16


def test_bounds_of_a_bootstrap_are_in_order_though_they_are_rounded():
    values = np.full(8, 6.396374244771005e-15)
    for n_resamples in range(2, 60):
        low, high = fidelity.bootstrap_interval(np.mean, values, n_resamples=n_resamples)
        assert low <= high


def test_answers_without_a_class_are_refused():
    with pytest.raises(ParameterError, match="none of them 0"):
        fidelity.predictive_kl(np.ones((2, 0)), np.ones((2, 0)))


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_the_interval_of_a_mean_map_neither_overflows_nor_vanishes(size):
    maps = np.array([[1.0, 2.0], [3.0, 2.5], [2.0, 9.0]])
    usual, found = (
        fidelity.summarise_maps(maps * scale, [0, 0, 0]).saliency for scale in (1, size)
    )
    for one, other in zip(usual, found, strict=True):
        np.testing.assert_allclose(other / size, one)


def test_labels_that_scikit_learn_refuses_by_type_are_refused_by_name(toy, quick):
    X, codes = toy
    y = np.array([b"a", b"b", b"c"])[codes]
    try:
        student = quick(max_epochs=1).fit(X, y)
    except PanelError as error:
        assert str(error).startswith("y cannot be used as labels: ")
    else:  # as before scikit-learn 1.8
        assert student.classes_.tolist() == [b"a", b"b", b"c"]


def test_labels_begin_no_trigraph_in_the_comment_of_a_c_file(tmp_path):
    small(labels=["a??/", "üü", "????"]).to_c(tmp_path / "student.c")
    assert "??" not in (tmp_path / "student.c").read_text()


def test_series_of_another_length_are_refused_where_training_goes_on():
    y = np.arange(6) % 2
    student = tiny(warm_start=True).fit(FLAT_SERIES, y)
    before = dict(vars(student))
    with pytest.raises(ValueError, match="X has 9 features, but .* is expecting 8 features"):
        student.fit(np.pad(FLAT_SERIES, [(0, 0), (0, 1)]), y)
    assert vars(student) == before
