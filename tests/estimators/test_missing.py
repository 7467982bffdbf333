"""A student of series with missing values: missing="mask"."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sktime.classification.feature_based import SummaryClassifier
from sktime.transformations.compose import FitInTransform
from sktime.transformations.impute import Imputer
from torch import nn

from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, Teacher
from tsdistill.display import SaliencyDisplay
from tsdistill.exceptions import PanelError, ParameterError, TeacherError
from tsdistill.inputs.forms import FORMS, UnevenForm
from tsdistill.objectives import InputNoise, TemporalReview
from tsdistill.sktime import SaliencyDistilledTSC
from tsdistill.students import STUDENTS

NAN = np.nan


def bumps(n, seed, n_timepoints=40, n_channels=None):
    """Series whose class is where their bump is; one value in eight is missing, ends never."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(scale=0.3, size=(n, n_channels or 1, n_timepoints))
    for one, k in zip(X, y, strict=True):
        start = round((0.15 if k == 0 else 0.6) * n_timepoints)
        one[0, start : start + n_timepoints // 5] += 2
    gone = rng.random(X.shape) < 1 / 8
    gone[..., [0, -1]] = False
    X[gone] = NAN
    return (X if n_channels else X[:, 0]), y


def where_it_is(X):
    """Probabilities by the means of what is known of the two halves of the first channel."""
    first = np.asarray(X).reshape(len(X), -1, np.shape(X)[-1])[:, 0]
    half = first.shape[1] // 2
    p = 1 / (1 + np.exp(-4 * (np.nanmean(first[:, half:], 1) - np.nanmean(first[:, :half], 1))))
    return np.column_stack([1 - p, p])


TEACHER = Teacher(where_it_is, classes=["early", "late"])


def quick(teacher=TEACHER, student="lite", **settings):
    settings = {"max_epochs": 3, "n_windows": 4, "random_state": 0, "missing": "mask"} | settings
    return SaliencyDistilledClassifier(teacher, student, **settings)


@pytest.fixture(scope="module")
def learnt():
    return quick(max_epochs=150, n_windows=10).fit(bumps(60, 0)[0])


@pytest.fixture(scope="module")
def new():
    return bumps(40, 1)[0]


@pytest.mark.slow
def test_the_student_learns_answers_and_reasons(learnt, new):
    assert learnt.fidelity_score(new) >= 0.95
    assert learnt.fidelity_score(new, metric="saliency") >= 0.8
    report = learnt.fidelity_report(new, n_explained=20)
    areas = report.areas()
    assert report.saliency > 0.8 and np.isfinite(areas.to_numpy()).all()
    assert (areas.loc["deletion", "student"] < areas.loc["deletion", "student, random order"]).all()


@pytest.mark.parametrize("form", FORMS)
def test_the_teacher_sees_nan_in_the_form_that_the_user_passed(form):
    panel, y = bumps(16, 0, n_channels=2)
    X = UnevenForm(form, 3, panel.shape[-1], ("a", "b")).of(panel)
    asked = []

    def teacher(X):
        asked.append(X)
        return where_it_is(as_panel(X))

    student = quick(Teacher(teacher, classes=[0, 1])).fit(X, y)
    assert {type(one) for one in asked} == {type(X)}
    as_array = quick(Teacher(where_it_is, classes=[0, 1])).fit(panel, y)
    np.testing.assert_allclose(student.predict_proba(X), as_array.predict_proba(panel), atol=1e-5)
    n_missing = [np.isnan(as_panel(one)).sum() for one in asked]
    assert np.isnan(panel).sum() in n_missing and min(n_missing) > 0  # copies have gaps, too


def as_panel(X):
    if isinstance(X, pd.DataFrame) and X.index.nlevels > 1:
        X = [part for _, part in X.groupby(level=0, sort=False)]
    if isinstance(X, pd.DataFrame):
        return np.stack([[cell.to_numpy() for cell in row] for row in X.to_numpy()])
    if isinstance(X, list):
        return np.stack([one.to_numpy().T if hasattr(one, "columns") else one for one in X])
    return X


@pytest.mark.parametrize("name", STUDENTS)
def test_every_student_answers_and_explains_series_with_gaps(name, new):
    X, _ = bumps(16, 0)
    before = X.copy()
    student = quick(student=name).fit(X)
    np.testing.assert_array_equal(X, before)
    assert np.isfinite(student.predict_proba(new)).all()
    for settings in ({}, {"of": "teacher"}, {"fill": "mean"}, {"per_channel": True}):
        assert np.isfinite(student.explain(new[:4], **settings)).all()
    alone = [student.predict_proba(one[None])[0] for one in new[:5]]
    np.testing.assert_allclose(student.predict_proba(new)[:5], alone, atol=1e-5)


def test_the_student_sees_filled_series_and_where_they_were_filled(new):
    X, _ = bumps(16, 0)
    student = quick().fit(X)
    module = student.student_.module_
    filled = np.stack([np.interp(np.arange(40), np.flatnonzero(~np.isnan(one)),
                                 one[~np.isnan(one)]) for one in new])  # fmt: skip
    assert np.abs(student.predict_proba(new) - student.predict_proba(filled)).max() > 1e-6
    module.standardise.heed.data.zero_()
    np.testing.assert_allclose(student.predict_proba(new), student.predict_proba(filled), atol=1e-5)


def test_series_without_gaps_are_learnt_from_and_gaps_filled_later(new):
    X, _ = bumps(16, 0)
    student = quick().fit(np.nan_to_num(X))
    assert (student.student_.module_.standardise.heed == 0).all()
    assert np.isfinite(student.predict_proba(new)).all() and student.n_timepoints_in_ == 40
    integers = quick().fit(np.arange(16 * 40).reshape(16, 40) * np.resize([1, -1], (16, 1)))
    assert np.isfinite(integers.predict_proba(new)).all()


def test_series_end_where_their_last_value_is(new):
    X, _ = bumps(16, 0)
    student = quick().fit(X)
    shorter = new.copy()
    shorter[0, 24:], shorter[0, 23] = NAN, 0.0
    maps = student.explain(shorter)
    assert np.isnan(maps[0, 24:]).all() and np.isfinite(maps[0, :24]).all()
    assert np.isfinite(maps[1:]).all() and np.isfinite(student.predict_proba(shorter)).all()
    assert np.isfinite(student.fidelity_score(shorter, metric="saliency"))


def test_length_and_gaps_may_both_vary():
    X, y = bumps(16, 0)
    X = [one[: 25 + i] for i, one in enumerate(X)]
    for one in X:
        one[-1] = 0.0

    def teacher(X):
        return np.concatenate([where_it_is(np.asarray(one)[None]) for one in X])

    student = quick(Teacher(teacher, classes=[0, 1])).fit(X, y)
    maps = student.explain(X)
    assert [np.isfinite(one).sum() for one in maps] == list(map(len, X))
    assert np.isfinite(student.predict_proba([one[:20] for one in X])).all()


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(
    "teacher",
    [
        HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=2),
        make_pipeline(SimpleImputer(), LogisticRegression()),
        FitInTransform(Imputer("linear")) * SummaryClassifier(estimator=LogisticRegression()),
    ],
    ids=["takes NaN", "imputer of scikit-learn", "imputer of sktime"],
)
@pytest.mark.filterwarnings("ignore")
def test_teachers_that_take_nan_or_impute_serve(teacher, fitted):
    X, y = bumps(16, 0)
    if fitted:
        teacher = teacher.fit(X[:, None] if hasattr(teacher, "get_tag") else X, y)
    student = quick(teacher, n_windows=1, n_mixtures=2).fit(X, y)
    assert student.predict_proba(X).shape == (16, 2)
    assert (student.teacher_.predict(X) == y).mean() > 0.8


@pytest.mark.parametrize("fitted", [False, True])
def test_a_teacher_that_cannot_take_nan_is_refused_with_the_remedies(fitted):
    X, y = bumps(16, 0)
    teacher = LogisticRegression().fit(np.nan_to_num(X), y) if fitted else LogisticRegression()
    with pytest.raises(
        TeacherError, match=r"(?s)with missing values.*FitInTransform\(Imputer.*SimpleImputer"
    ):
        quick(teacher).fit(X, y)


def test_the_trial_query_shows_gaps():
    X, y = bumps(16, 0)
    X[:5], shown = np.nan_to_num(X[:5]), []

    def teacher(X):
        shown.append(bool(np.isnan(X).any()))
        return where_it_is(X)

    quick(Teacher(teacher, classes=[0, 1])).fit(X, y)
    assert shown[0]


def test_own_students_are_given_nan(new):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 2)

        def forward(self, x):
            assert x.isnan().any() and x.shape[1] == 1
            return self.linear(x.nanmean(dim=2))

    assert np.isfinite(quick(student=Own()).fit(bumps(16, 0)[0]).predict_proba(new)).all()


def test_fit_goes_on_with_the_same_setting_only():
    X, _ = bumps(16, 0)
    student = quick(warm_start=True).fit(X)
    first = student.n_queries_
    assert len(student.fit(X).history_) == 6 and student.n_queries_ == first
    with pytest.raises(ParameterError, match="missing='refuse'.*warm_start"):
        student.set_params(missing="refuse").fit(np.nan_to_num(X))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.__setitem__(3, NAN), r"X\[3\] has no value"),
        (lambda X: X.__setitem__((3, slice(1, None)), NAN), r"X\[3\] has a single timestep"),
        (lambda X: X.__setitem__((3, 2), np.inf), r"X\[3\] has an infinite value at timestep 2"),
    ],
)
def test_bad_series_are_refused_by_their_position(learnt, change, message):
    X, _ = bumps(16, 0)
    change(X)
    for ask in (quick().fit, learnt.predict):
        with pytest.raises(PanelError, match=message):
            ask(X)
    panel, _ = bumps(16, 0, n_channels=2)
    panel[5, 1] = NAN
    with pytest.raises(PanelError, match=r"X\[5\] has no value in channel 1"):
        quick().fit(panel)


@pytest.mark.parametrize(
    "X", [5.0, None, "abc", np.zeros((1, 1, 24, 40)), np.zeros(40), np.empty((4, 0, 10))], ids=str
)
def test_what_is_no_series_is_refused(learnt, X):
    for ask in (quick().fit, learnt.predict):
        with pytest.raises((ValueError, TypeError)) as caught:
            ask(X)
        assert "X" in str(caught.value) or "array" in str(caught.value)
        assert "broadcast" not in str(caught.value)


def test_no_channel_is_left_without_values():
    X = np.full((24, 2, 40), np.nan)
    X[:, 0], y = bumps(24, 0)[0], np.arange(24) % 2
    for one, k in zip(X, y, strict=True):
        one[1, [4, 5] if k == 0 else [30, 31]] = [1.0, k]
    asked = []

    def teacher(X):
        asked.append(np.isnan(X).all(axis=2).any())
        return where_it_is(X)

    student = quick(Teacher(teacher, classes=[0, 1]), window_size=6).fit(X, y)
    for fill in ("opposing", "mean", "zero"):
        assert np.isfinite(student.explain(X[:4], fill=fill)).all()
        assert np.isfinite(student.explain(X[:4], of="teacher", per_channel=True, fill=fill)).all()
    assert not any(asked)


def test_noise_is_scaled_by_the_values_there_are(new):
    student = quick(auxiliary=InputNoise()).fit(bumps(16, 0)[0])
    assert np.isfinite(student.predict_proba(new)).all()


def test_later_series_have_as_many_timesteps(learnt, new):
    for X in (new[:, :30], np.pad(new, [(0, 0), (0, 5)], constant_values=1.0)):
        with pytest.raises(PanelError, match=rf"X has {X.shape[1]} timepoints.*40.*pad"):
            learnt.predict(X)


def test_without_the_setting_gaps_are_refused_with_the_remedy(new):
    with pytest.raises(PanelError, match=r"X\[0\] has a missing value.*Imputer.*missing='mask'"):
        quick(missing="refuse").fit(new)
    with pytest.raises(ParameterError, match="missing='fill'; expected one of 'refuse', 'mask'"):
        quick(missing="fill").fit(new)


def test_scikit_learn_is_told():
    assert get_tags(quick()).input_tags.allow_nan
    assert not get_tags(quick(missing="refuse")).input_tags.allow_nan


def test_sktime_is_told_and_passes_gaps_on():
    X, y = bumps(16, 0)
    teacher = (
        FitInTransform(Imputer("linear")) * SummaryClassifier(estimator=LogisticRegression())
    ).fit(X[:, None], y)
    settings = {"max_epochs": 2, "n_windows": 2, "n_mixtures": 2}
    student = SaliencyDistilledTSC(teacher, missing="mask", **settings)
    assert student.get_tag("capability:missing_values")
    refusing = SaliencyDistilledTSC(teacher)
    assert not refusing.get_tag("capability:missing_values")
    assert refusing.set_params(missing="mask").get_tag("capability:missing_values")
    student.fit(X[:, None], y)
    assert np.isfinite(student.explain(X[:, None])).all()
    frames = [pd.DataFrame({"a": one}) for one in X]
    student = SaliencyDistilledTSC(teacher, missing="mask", **settings).fit(frames, y)
    assert np.isfinite(student.predict_proba(frames)).all()
    with pytest.raises(PanelError, match="missing value"):
        SaliencyDistilledTSC(teacher, **settings).fit(X[:, None], y)


def test_what_does_not_take_gaps_says_so(learnt, new):
    with pytest.raises(ParameterError, match="missing='mask' allows gaps, which TemporalReview"):
        quick(auxiliary=TemporalReview()).fit(new)
    with pytest.raises(ParameterError, match="missing values.*use method='occlusion'"):
        learnt.explain(new, method="autoencoder")


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients"])
def test_gradients_give_nothing_to_a_gap(learnt, new, method):
    shorter = new.copy()
    shorter[0, 24:], shorter[0, 23] = NAN, 0.5
    maps = learnt.explain(shorter, method=method)
    assert np.isnan(maps[0, 24:]).all() and np.isfinite(maps[0, :24]).all()
    gaps = np.isnan(shorter)
    gaps[0, 24:] = False
    assert (maps[gaps] == 0).all() and (np.abs(maps[1:][~gaps[1:]]) > 0).mean() > 0.9
    assert np.isfinite(maps[1:]).all()


def test_a_fitted_student_is_pickled_swapped_and_drawn(learnt, new):
    again = pickle.loads(pickle.dumps(learnt))
    np.testing.assert_array_equal(again.predict_proba(new), learnt.predict_proba(new))
    swap = DeferringClassifier(learnt, TEACHER, 0.2, 0.9).fit(new)
    assert get_tags(swap).input_tags.allow_nan
    assert (swap.predict(new) == learnt.teacher_.predict(new)).mean() >= 0.8
    swap.set_params(min_saliency=0.0, max_unlike=0.5)
    assert swap.fit(new).promises_["saliency"]["n"] == len(new)
    for look in ("line", "shade"):
        SaliencyDisplay.from_estimator(learnt, new[:2], look=look)
