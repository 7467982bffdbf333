import math
import pickle

import numpy as np
import pytest
from scipy.stats import beta
from sklearn.metrics import average_precision_score, roc_auc_score

from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import (
    accuracy,
    agreement,
    area,
    auprc,
    auroc,
    bootstrap_interval,
    by_class,
    clopper_pearson,
    deletion_curve,
    expected_calibration_error,
    fidelity_scorer,
    insertion_curve,
    negative_log_likelihood,
    predictive_js,
    predictive_kl,
    random_maps,
    saliency_correlation,
    top_overlap,
)
from tsdistill.fidelity.maps import per_series_auprc, per_series_auroc


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 30, 4))
    return logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))


def test_agreement_counts_equal_predictions(answers):
    teacher, student = answers
    same = sum(
        max(range(4), key=lambda k: t[k]) == max(range(4), key=lambda k: s[k])
        for t, s in zip(teacher, student, strict=True)
    )
    assert agreement(teacher, student) == pytest.approx(same / 30)


def test_divergences_equal_slow_loops(answers):
    teacher, student = answers
    kl = js = 0.0
    for t, s in zip(np.exp(teacher), np.exp(student), strict=True):
        kl += sum(t[k] * math.log(t[k] / s[k]) for k in range(4)) / 30
        middle = (t + s) / 2
        js += sum(t[k] * math.log(t[k] / middle[k]) for k in range(4)) / 60
        js += sum(s[k] * math.log(s[k] / middle[k]) for k in range(4)) / 60
    assert predictive_kl(teacher, student) == pytest.approx(kl)
    assert predictive_js(teacher, student) == pytest.approx(js)
    assert predictive_kl(teacher, teacher) == 0
    assert predictive_js(teacher, teacher) == pytest.approx(0, abs=1e-12)


def test_js_of_opposites_is_log_2():
    sure = np.log(np.array([[1 - 1e-12, 1e-12]]))
    assert predictive_js(sure, sure[:, ::-1]) == pytest.approx(math.log(2), abs=1e-9)


def test_correlation_is_pearson_a_series():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 5, 40))
    slow = np.mean([np.corrcoef(t, s)[0, 1] for t, s in zip(teacher, student, strict=True)])
    assert saliency_correlation(teacher, student) == pytest.approx(slow)
    assert saliency_correlation(teacher, 3 * teacher + 1) == pytest.approx(1)
    assert saliency_correlation(teacher, -teacher) == pytest.approx(-1)


def test_constant_map_counts_as_uncorrelated():
    teacher = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    student = np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]])
    assert saliency_correlation(teacher, student) == pytest.approx(0.5)
    flat = np.full((1, 12), 0.7)  # whose mean rounds to something else
    assert saliency_correlation(flat, 3 * flat) == 0


def test_measures_against_the_truth_equal_slow_loops(answers):
    log_proba, y = answers[0], np.arange(30) % 4
    proba = np.exp(log_proba)
    right = nll = 0.0
    bins = [[] for _ in range(10)]
    for p, k in zip(proba, y, strict=True):
        right += (int(np.argmax(p)) == k) / 30
        nll -= math.log(p[k]) / 30
        b = next(b for b in range(10) if p.max() <= (b + 1) / 10)
        bins[b].append((p.max(), int(np.argmax(p)) == k))
    ece = sum(
        len(found) / 30 * abs(np.mean([c for c, _ in found]) - np.mean([hit for _, hit in found]))
        for found in bins
        if found
    )
    assert accuracy(log_proba, y) == pytest.approx(right)
    assert negative_log_likelihood(log_proba, y) == pytest.approx(nll)
    assert expected_calibration_error(log_proba, y) == pytest.approx(ece)
    at_an_edge = np.log([[0.5, 0.5], [0.1, 0.9]])  # 0.5 is the last of the lower bin
    edge = expected_calibration_error(at_an_edge, np.array([1, 1]), n_bins=2)
    assert edge == pytest.approx((0.5 + 0.1) / 2)
    one_bin = abs(proba.max(axis=1).mean() - right)
    assert expected_calibration_error(log_proba, y, n_bins=1) == pytest.approx(one_bin)


def test_top_overlap_equals_a_slow_loop():
    teacher, student = np.random.default_rng(0).normal(size=(2, 6, 2, 14))
    overlap = 0.0
    for t, s in zip(teacher.reshape(6, -1), student.reshape(6, -1), strict=True):
        tops = [set(sorted(range(28), key=lambda i: -m[i])[:3]) for m in (t, s)]
        overlap += len(tops[0] & tops[1]) / len(tops[0] | tops[1]) / 6
    assert top_overlap(teacher, student) == pytest.approx(overlap)
    assert top_overlap(teacher, teacher) == 1
    assert top_overlap(teacher, 0 * teacher) == 0  # a constant map has no top


def test_random_maps_know_nothing():
    maps = random_maps((400, 50), 0)
    np.testing.assert_array_equal(maps, random_maps((400, 50), 0))
    teacher = np.random.default_rng(1).normal(size=(400, 50)).cumsum(axis=1)
    assert abs(saliency_correlation(teacher, maps)) < 0.03
    assert top_overlap(teacher, maps) == pytest.approx(0.055, abs=0.02)


@pytest.mark.parametrize("decimals", [8, 1])  # the second with many ties
def test_areas_against_masks_are_those_of_scikit_learn(decimals):
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(20, 3, 10)).round(decimals)
    mask = rng.random((20, 3, 10)) < 0.2
    flat = zip(mask.reshape(20, -1), maps.reshape(20, -1), strict=True)
    slow = [(average_precision_score(m, s), roc_auc_score(m, s)) for m, s in flat]
    np.testing.assert_allclose(per_series_auprc(maps, mask), [a for a, _ in slow])
    np.testing.assert_allclose(per_series_auroc(maps, mask), [b for _, b in slow])
    assert auprc(maps, mask) == pytest.approx(np.mean([a for a, _ in slow]))
    assert auprc(maps[:, 0], mask[:, :1]) == auprc(maps[:, :1], mask[:, :1])


def test_series_without_truth_are_left_out():
    maps = np.array([[1.0, 3.0], [2.0, 4.0], [0.0, 1.0]])
    mask = np.array([[True, False], [False, False], [True, True]])
    assert auprc(maps, mask) == 0.5 and auroc(maps, mask) == 0
    with pytest.raises(ParameterError, match="no series, of 2, with both"):
        auroc(maps[1:], mask[1:])


def test_by_class_measures_the_rows_of_each():
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(size=(2, 9, 12))
    groups = np.array(list("abcabcabc"))
    found = by_class(saliency_correlation, groups, teacher, student)
    assert list(found) == ["a", "b", "c"]
    assert found["b"] == pytest.approx(saliency_correlation(teacher[1::3], student[1::3]))
    with pytest.raises(ParameterError, match="groups has shape"):
        by_class(agreement, groups[:3], teacher, student)


def linear_log_proba(weights):
    def log_proba(panel):
        z = np.einsum("nct,ct->n", panel.astype(np.float64), weights)
        return -np.logaddexp(0, np.stack([z, -z], axis=1))

    return log_proba


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("inserted", [False, True])
def test_curves_equal_a_slow_loop(per_channel, inserted):
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(5, 2, 9)).astype(np.float32)
    fill = rng.normal(size=(1, 2, 9)).astype(np.float32)
    log_proba, target = linear_log_proba(rng.normal(size=(2, 9))), np.array([0, 1, 1, 0, 1])
    maps = rng.normal(size=(5, 2, 9) if per_channel else (5, 9))
    slow = np.empty((5, 5))
    for i in range(5):
        order = sorted(np.ndindex(*maps[i].shape), key=lambda at: -maps[i][at])
        for p in range(5):
            copy = (fill[0] if inserted else panel[i]).copy()
            for at in order[: round(p / 4 * len(order))]:
                where = at if per_channel else (slice(None), at[0])
                copy[where] = (panel[i] if inserted else fill[0])[where]
            slow[i, p] = np.exp(log_proba(copy[None])[0, target[i]])
    curve = insertion_curve if inserted else deletion_curve
    shares, proba = curve(log_proba, panel, maps, target, fill, n_points=5)
    np.testing.assert_allclose(shares, [0, 1 / 4, 2 / 4, 3 / 4, 1])
    np.testing.assert_allclose(proba, slow, rtol=1e-5)
    np.testing.assert_allclose(area(shares, proba), [np.trapezoid(p, shares) for p in slow])


def test_a_right_map_has_a_lower_deletion_and_a_higher_insertion_curve(monkeypatch):
    rng = np.random.default_rng(0)
    panel, weights = rng.normal(size=(30, 1, 20)), rng.normal(size=(1, 20))
    log_proba, target = linear_log_proba(weights), np.ones(30, dtype=int)
    right, wrong = (panel * weights)[:, 0], rng.normal(size=(30, 20))
    areas = {}
    for curve in (deletion_curve, insertion_curve):
        for name, maps in (("right", right), ("wrong", wrong)):
            found = curve(log_proba, panel, maps, target, np.zeros((1, 1, 1)))
            areas[curve, name] = area(*found).mean()
    assert areas[deletion_curve, "right"] < areas[deletion_curve, "wrong"] - 0.1
    assert areas[insertion_curve, "right"] > areas[insertion_curve, "wrong"] + 0.1
    monkeypatch.setattr("tsdistill.fidelity.curves.COPIES_A_QUERY", 25)
    in_blocks = deletion_curve(log_proba, panel, right, target, np.zeros((1, 1, 1)))
    assert area(*in_blocks).mean() == pytest.approx(areas[deletion_curve, "right"])


def test_clopper_pearson_covers_at_its_level():
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5):
        bounds = [clopper_pearson(k, 80, 0.9) for k in rng.binomial(80, share, size=400)]
        assert np.mean([low <= share <= high for low, high in bounds]) >= 0.9
    assert clopper_pearson(3, 20, 0.8) == pytest.approx(
        (beta.ppf(0.1, 3, 18), beta.ppf(0.9, 4, 17))
    )
    assert clopper_pearson(np.array(3), 20, 0.8) == clopper_pearson(3, 20, 0.8)
    assert clopper_pearson(0, 10)[0] == 0 and clopper_pearson(10, 10)[1] == 1


def test_bootstrap_interval_is_about_that_of_the_central_limit():
    values = np.random.default_rng(0).exponential(size=400)
    low, high = bootstrap_interval(np.mean, values)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.15 * half)
    assert bootstrap_interval(np.mean, values) == (low, high)
    low, high = bootstrap_interval(np.mean, values, confidence=0.5)
    assert high - low == pytest.approx(2 * 0.674 * values.std() / 20, rel=0.1)
    assert np.isnan(bootstrap_interval(np.mean, values[:1])).all()
    assert bootstrap_interval(np.mean, np.ones(5)) == (1, 1)


def curve_of(**settings):
    given = {"panel": np.zeros((2, 1, 5)), "maps": np.zeros((2, 5)), "target": [0, 1], "fill": 0}
    given |= settings
    given["target"] = np.array(given["target"], dtype=int)
    return deletion_curve(lambda X: np.log(np.full((len(X), 2), 0.5)), **given)


BAD_MEASURES = {
    "y of another length": (lambda: accuracy(np.zeros((3, 2)), np.zeros(2, int)), "y shape"),
    "y out of range": (lambda: accuracy(np.zeros((2, 2)), np.array([0, 2])), "columns 0 .."),
    "labels for columns": (lambda: accuracy(np.zeros((2, 2)), np.array(["a", "b"])), "y shape"),
    "bins": (
        lambda: expected_calibration_error(np.log([[0.5, 0.5]]), np.zeros(1, int), n_bins=0),
        "n_bins=0",
    ),
    "probabilities": (
        lambda: predictive_kl(np.array([[0.5, 0.5]]), np.log([[0.5, 0.5]])),
        "teacher has values from 0.5 to 0.5, which are no finite log-probabilities",
    ),
    "infinite": (
        lambda: predictive_js(np.log([[0.5, 0.5]]), np.array([[0, -np.inf]])),
        "student has values from -inf",
    ),
    "probabilities against y": (
        lambda: negative_log_likelihood(np.array([[0.5, 0.5]]), np.zeros(1, int)),
        "log_proba has values",
    ),
    "NaN": (lambda: saliency_correlation(np.eye(3), np.eye(3) * np.nan), "student has NaN in 9"),
    "NaN in maps": (lambda: auprc(np.eye(3) * np.nan, np.eye(3) > 0), "maps have NaN in 9"),
    "labels for a target": (
        lambda: deletion_curve(
            None, np.zeros((2, 1, 5)), np.zeros((2, 5)), np.array(["a", "b"]), 0
        ),
        "target",
    ),
    "a target beyond the classes": (lambda: curve_of(target=[0, 2]), "from 0 to 2; .* 2 classes"),
    "a target from the end": (lambda: curve_of(target=[0, -1]), "columns from -1 to 0"),
    "NaN in the order": (lambda: curve_of(maps=np.full((2, 5), np.nan)), "maps has NaN"),
    "NaN in the fill": (lambda: curve_of(fill=np.nan), "fill has NaN"),
    "no series": (
        lambda: curve_of(panel=np.zeros((0, 1, 5)), maps=np.zeros((0, 5)), target=[]),
        "panel of shape",
    ),
    "values that have none": (lambda: bootstrap_interval(np.mean, [1, np.nan]), "NaN or infinity"),
    "columns of two lengths": (
        lambda: bootstrap_interval(np.mean, np.ones(3), np.ones(4)),
        "same shape",
    ),
    "a seed by name": (
        lambda: bootstrap_interval(np.mean, np.arange(3), random_state="a"),
        "random_state='a'",
    ),
    "a share for a count": (lambda: clopper_pearson(0.98, 1), "n_successes=0.98"),
    "no count": (lambda: clopper_pearson(np.nan, 5), "n_successes=nan"),
    "no number of series": (lambda: clopper_pearson(3, np.inf), "n_instances=inf|of inf|=inf"),
    "a fill by name": (
        lambda: deletion_curve(
            None, np.zeros((2, 1, 5)), np.zeros((2, 5)), np.zeros(2, int), "mean"
        ),
        "fill='mean' is no array",
    ),
    "curve of probabilities": (
        lambda: deletion_curve(
            lambda X: np.full((len(X), 2), 0.5),
            np.zeros((2, 1, 5)),
            np.zeros((2, 5)),
            np.zeros(2, int),
            0,
        ),
        r"log_proba\(...\) has values",
    ),
    "share": (lambda: top_overlap(np.eye(3), np.eye(3), share=1), "share=1"),
    "mask of numbers": (lambda: auprc(np.eye(3), np.eye(3)), "the mask of bool"),
    "mask of another shape": (lambda: auroc(np.eye(3), np.eye(4) > 0), r"mask shape \(4, 4\)"),
    "maps of another shape": (
        lambda: deletion_curve(None, np.zeros((2, 1, 5)), np.zeros((2, 4)), np.zeros(2, int), 0),
        r"maps have shape \(2, 4\)",
    ),
    "one point": (
        lambda: deletion_curve(
            None, np.zeros((2, 1, 5)), np.zeros((2, 5)), np.zeros(2, int), 0, n_points=1
        ),
        "n_points=1",
    ),
    "confidence": (lambda: clopper_pearson(1, 2, 95.0), "confidence=95.0"),
    "too many successes": (lambda: clopper_pearson(3, 2), "n_successes=3"),
}


@pytest.mark.parametrize("case", BAD_MEASURES)
def test_what_cannot_be_measured(case):
    call, message = BAD_MEASURES[case]
    with pytest.raises(ParameterError, match=message):
        call()


@pytest.mark.parametrize("measure", [agreement, predictive_kl, predictive_js, saliency_correlation])
def test_shapes_that_do_not_match_are_shown(measure):
    with pytest.raises(ParameterError, match=r"\(3, 2\) and student \(3, 4\)"):
        measure(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ParameterError, match="at least one instance"):
        measure(np.zeros((0, 2)), np.zeros((0, 2)))


def test_scorer_asks_the_estimator_and_pickles():
    class Estimator:
        def fidelity_score(self, X, *, metric):
            return {"kl": -0.25}[metric]

    scorer = pickle.loads(pickle.dumps(fidelity_scorer("kl")))
    assert scorer(Estimator(), None) == -0.25
    with pytest.raises(ParameterError, match=r"metric='auc'.*'agreement', 'kl'"):
        fidelity_scorer("auc")
