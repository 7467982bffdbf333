"""The report: its figures, its worst cases, and its text."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from tests.conftest import bump_teacher
from tsdistill import fidelity
from tsdistill.exceptions import ParameterError
from tsdistill.fidelity import clopper_pearson


def test_curves_run_between_the_series_and_others_of_other_classes(report):
    for model in ("teacher", "student"):
        for fill in ("opposing", "mean"):
            deleted, inserted = (
                report.curves[model, fill, kind][1] for kind in ("deletion", "insertion")
            )
            np.testing.assert_allclose(deleted[:, 0], inserted[:, -1], rtol=1e-4)
            np.testing.assert_allclose(deleted[:, -1], inserted[:, 0], rtol=1e-4)
            if fill == "opposing":  # wholly another series, of another class
                assert deleted[:, -1].max() < 0.5


def test_figures_are_those_of_the_measures(report, fitted):
    student, alone, X, y = fitted
    assert report.n_instances == 48 and report.n_explained == 30
    assert report.agreement == student.fidelity_score(X)
    assert report.kl == pytest.approx(-student.fidelity_score(X, metric="kl"), rel=1e-5)
    assert report.js == pytest.approx(-student.fidelity_score(X, metric="js"), rel=1e-5)
    assert report.accuracy == student.score(X, y)
    assert report.nll == pytest.approx(-student.fidelity_score(X, y, metric="nll"), rel=1e-5)
    assert report.ece == pytest.approx(-student.fidelity_score(X, y, metric="ece"), rel=1e-5)
    theirs = bump_teacher(X).argmax(axis=1)
    names = np.array(["down", "<b>", "up & away"])
    assert report.teacher_accuracy == pytest.approx(np.mean(names[theirs] == y))
    right, before = student.predict(X) == y, names[theirs] == y
    assert report.negative_flips == np.mean(before & ~right)
    assert report.positive_flips == np.mean(right & ~before)
    net = report.positive_flips - report.negative_flips
    assert report.accuracy == pytest.approx(report.teacher_accuracy + net)
    of_labels = alone.predict(X) == y
    flips = report.beside["negative_flips"]["label_only"], report.beside["positive_flips"]
    assert flips == (np.mean(before & ~of_labels), {"label_only": np.mean(of_labels & ~before)})
    everything = student.fidelity_report(X, label_only=alone)
    assert everything.saliency == pytest.approx(student.fidelity_score(X, metric="saliency"))
    overlap = student.fidelity_score(X, metric="top_overlap")
    assert everything.top_overlap == pytest.approx(overlap)
    assert everything.accuracy is None and everything.negative_flips is None
    assert "negative_flips" not in everything.to_frame().index
    _, proba = everything.curves["student", "mean", "insertion"]
    areas = everything.areas()
    assert (
        proba.shape == (48, 11) and report.curves["teacher", "mean", "deletion"][1].shape[0] == 30
    )
    insertion = student.fidelity_score(X, metric="insertion")
    assert areas.loc[("insertion", "mean"), "student"] == pytest.approx(insertion)
    alike = everything.beside["saliency"]
    assert alike["label_only"] == pytest.approx(alone.fidelity_score(X, metric="saliency"))
    assert everything.beside["agreement"]["label_only"] == alone.fidelity_score(X)
    part = everything.per_class
    for label in names:  # each class as if it were all there is
        rows = names[theirs] == label
        for name, sign in (("agreement", 1), ("kl", -1), ("saliency", 1), ("top_overlap", 1)):
            score = sign * student.fidelity_score(X[rows], metric=name)
            assert part.loc[label, name] == pytest.approx(score, rel=1e-4)
        assert part.loc[label, "agreement_labels"] == alone.fidelity_score(X[rows])
    assert alone.fidelity_score(X) != student.fidelity_score(X)
    assert np.average(part["saliency_labels"], weights=part["n_series"]) == pytest.approx(
        alike["label_only"]
    )
    assert abs(alike["random_map"]) < 0.15


def test_intervals_hold_their_values(report):
    agreeing = round(report.agreement * 48)
    assert report.intervals["agreement"] == clopper_pearson(agreeing, 48)
    flips = round(report.negative_flips * 48)
    assert report.intervals["negative_flips"] == clopper_pearson(flips, 48)
    for name, (low, high) in report.intervals.items():
        if not name.endswith("ece"):  # which resampling raises
            assert low <= getattr(report, name) <= high
    frame = report.to_frame()
    assert list(frame.columns) == ["value", "low", "high", "n_series", "random_map", "label_only"]
    assert frame.loc["kl", "n_series"] == 48 and frame.loc["saliency", "n_series"] == 30
    assert frame.loc["agreement", "value"] == report.agreement


def test_worst_series_are_those_of_largest_kl(report, fitted):
    student, _, X, _ = fitted
    teacher = np.log(np.maximum(bump_teacher(X), 1e-4))
    teacher = teacher[:, [1, 0, 2]]  # classes sort "<b>", "down", "up & away"
    kl = fidelity.answers.per_series_kl(teacher, student.predict_log_proba(X))
    same = student.predict_log_proba(X).argmax(axis=1) == teacher.argmax(axis=1)
    order = sorted(range(48), key=lambda i: (same[i], -kl[i]))[:10]
    assert report.n_differ == np.sum(~same) > 0
    assert report.worst.index.tolist() == order
    np.testing.assert_allclose(report.worst["kl"], kl[order], rtol=1e-3)
    row = report.worst.iloc[0]
    asked = X[report.worst.index[:1]]
    assert row["student"] == student.predict(asked)[0]
    assert row["p_student"] == pytest.approx(student.predict_proba(asked).max())
    assert [one["row"] for one in report.examples["worst"]] == report.worst.index[:4].tolist()


def test_classes_add_up(report, fitted):
    _, _, X, _ = fitted
    part = report.per_class
    names = np.array(["down", "<b>", "up & away"])[bump_teacher(X).argmax(axis=1)]
    assert part["n_series"].to_dict() == pd.Series(names).value_counts().to_dict()
    assert np.average(part["agreement"], weights=part["n_series"]) == pytest.approx(
        report.agreement
    )
    assert part["agreement_labels"].between(0, 1).all()
    assert part["top_overlap_labels"].between(0, 1).all()
    assert np.average(part["kl"], weights=part["n_series"]) == pytest.approx(report.kl, rel=1e-5)


@pytest.mark.parametrize("kind", [None, np.random.RandomState(0), np.random.default_rng(0)])
def test_random_states_of_every_kind(fitted, kind):
    report = fitted[0].fidelity_report(fitted[2], n_explained=3, random_state=kind)
    assert report.n_explained == 3


def test_the_same_report_twice(fitted):
    student, _, X, y = fitted
    one, two = (student.fidelity_report(X, y, n_explained=20) for _ in range(2))
    pd.testing.assert_frame_equal(one.to_frame(), two.to_frame())
    assert student.fidelity_report(X, n_explained=20, random_state=1).saliency != one.saliency
    orders = [
        student.fidelity_report(X, random_state=seed).areas()["student, random order"]
        for seed in (0, 1)
    ]
    assert (orders[0] != orders[1]).all()


def test_text_can_be_read(report):
    text = str(report)
    assert f"same prediction as the teacher{report.agreement:>18.3f}" in text
    assert "labels only" in text and "random map" in text
    assert f"negative flips: teacher alone is right{report.negative_flips:>10.3f}" in text
    assert f"({report.n_differ} predictions differ)" in text and "LiteNetwork" in text
    assert len(repr(report)) < 200 and report == report  # not compared frame by frame
    assert max(map(len, text.splitlines())) <= 140


def test_one_series_has_a_report(fitted, tmp_path):
    student, _, X, y = fitted
    report = student.fidelity_report(X[:1], y[:1])
    assert report.intervals["agreement"] == clopper_pearson(int(report.agreement), 1)
    assert np.isnan(report.intervals["kl"]).all()
    report.to_html(tmp_path / "one.html")
    assert "nan" not in str(report)


def test_label_only_is_a_student_of_labels_alone(fitted):
    student, alone, X, y = fitted
    with pytest.raises(ParameterError, match="label_only was trained with more than labels"):
        student.fidelity_report(X, label_only=student)
    with pytest.raises(ParameterError, match="label_only cannot be asked about X"):
        student.fidelity_report(X, label_only=clone(alone))
    report = student.fidelity_report(X, y, label_only=alone)
    assert report.beside["accuracy"]["label_only"] == alone.score(X, y)


def test_global_states_and_series_are_left_as_they_were(quick, toy):
    student, X = quick().fit(*toy), toy[0].copy()
    X.flags.writeable = False
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    student.fidelity_report(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_label_only_is_judged_by_what_it_was_fitted_with(fitted):
    student, alone, X, _ = fitted
    later = copy.deepcopy(alone).set_params(saliency_weight=5.0)
    report = student.fidelity_report(X, label_only=later, n_explained=5)
    assert report.beside["agreement"]["label_only"] == alone.fidelity_score(X)
    distilled = copy.deepcopy(student)
    distilled.set_params(label_weight=1, saliency_weight=0, soft_target_weight=0)
    with pytest.raises(ParameterError) as caught:
        student.fidelity_report(X, label_only=distilled)
    assert str(caught.value) == (
        "label_only was trained with more than labels, with 'perturbed_soft_targets', 'saliency', "
        "'soft_targets'; expected a student that was fitted with soft_target_weight=0, "
        "saliency_weight=0 and no auxiliary."
    )


def test_label_only_may_not_go_on_from_a_distilled_student(toy, quick):
    labels_alone = {"label_weight": 1, "soft_target_weight": 0, "saliency_weight": 0}
    student = quick(max_epochs=1).fit(*toy)
    went_on = quick(max_epochs=1, warm_start=True).fit(*toy).set_params(**labels_alone).fit(*toy)
    with pytest.raises(ParameterError, match="label_only was trained with more than labels"):
        student.fidelity_report(toy[0], label_only=went_on)
    alone = quick(max_epochs=1, warm_start=True, **labels_alone).fit(*toy).fit(*toy)
    assert "label_only" in student.fidelity_report(toy[0], label_only=alone).beside["agreement"]


class Turns:
    """A teacher that later answers otherwise about the series of which ``turned`` is true."""

    def __init__(self):
        self.turned = None

    def __call__(self, X):
        proba = bump_teacher(X)
        if self.turned is None:
            return proba
        return np.where(self.turned(X)[:, np.newaxis], np.roll(proba, 1, axis=1), proba)


def all_but_class_0(X):
    return bump_teacher(X).argmax(axis=1) > 0


def every_series(X):
    return np.ones(len(X), dtype=bool)


def report_of(toy, quick, turned):
    teacher = Turns()
    student = quick(teacher, max_epochs=40, saliency_weight=0).fit(*toy)
    teacher.turned = turned
    return student.fidelity_report(toy[0])


def test_flips_say_which_model_alone_is_right(toy, quick):
    teacher, (X, y) = Turns(), toy
    student = quick(teacher, max_epochs=40, saliency_weight=0).fit(X, y)
    assert student.score(X, y) == 1
    teacher.turned = all_but_class_0  # wrong there
    report = student.fidelity_report(X, y)
    assert report.positive_flips == pytest.approx(2 / 3) and report.negative_flips == 0
    assert report.to_frame().loc["positive_flips", "low"] == clopper_pearson(8, 12)[0]


def test_typical_series_have_the_same_prediction_of_both_models(toy, quick, tmp_path):
    report = report_of(toy, quick, all_but_class_0)
    assert report.agreement == pytest.approx(1 / 3)
    typical = report.examples["typical"]
    assert typical and all(one["teacher"] == one["student"] == 0 for one in typical)
    report.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Series with the same prediction of both models, whose KL is close to the" in page


def test_a_page_without_any_agreement_says_so(toy, quick, tmp_path):
    report = report_of(toy, quick, every_series)
    assert report.agreement == 0 and report.examples["typical"] == []
    report.to_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "There is no series with the same prediction of both models." in page
    assert "whose KL is close to" not in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_explained": 0}, "n_explained=0"),
        ({"confidence": 95}, "confidence=95"),
        ({"random_state": "a"}, "random_state='a'"),
        ({"label_only": bump_teacher}, "label_only=function; expected a fitted"),
        ({"y": ["unknown"] * 48}, "y holds unknown labels"),
        ({"y": ["down"] * 3}, r"y has shape \(3,\)"),
    ],
)
def test_bad_input(fitted, options, message):
    student, _, X, _ = fitted
    with pytest.raises(ParameterError, match=message):
        student.fidelity_report(X, **options)
