"""A student of a teacher that takes series of unequal length."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import cross_val_score
from torch import nn

from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import PanelError, ParameterError, TeacherError
from tsdistill.inputs.forms import FORMS, UnevenForm
from tsdistill.inputs.lengths import padded
from tsdistill.objectives import ExplanationAutoencoder, TemporalReview
from tsdistill.students import FCN, STUDENTS


def bumps(n, seed, n_channels=None):
    """Series of 20 to 40 steps; a bump in their first or second half shows the class."""
    rng = np.random.default_rng(seed)
    y, series = np.arange(n) % 2, []
    for k in y:
        length = rng.integers(20, 41)
        one = rng.normal(scale=0.3, size=(n_channels or 1, length))
        start = round((0.15 if k == 0 else 0.6) * length)
        one[0, start : start + round(0.2 * length)] += 2
        series.append(one if n_channels else one[0])
    return series, y


def where_it_is(series):
    """Probabilities by the means of a series' first and second half, wherever it ends."""
    logits = []
    for one in series:
        one = np.asarray(one).reshape(-1, np.shape(one)[-1])[0]
        half = len(one) // 2
        logits.append(4 * (one[half:].mean() - one[:half].mean()))
    p = 1 / (1 + np.exp(-np.array(logits)))
    return np.column_stack([1 - p, p])


def in_any_form(X):
    """``where_it_is`` for every form, padded arrays among them."""
    if hasattr(X, "columns"):
        if X.index.nlevels > 1:
            X = [part.to_numpy().T for _, part in X.groupby(level=0, sort=False)]
        else:
            X = [np.stack(list(row)) for row in X.to_numpy()]
    elif isinstance(X, np.ndarray):
        X = [one[..., ~np.isnan(one).reshape(-1, X.shape[-1]).any(axis=0)] for one in X]
    else:
        X = [np.asarray(one).T if hasattr(one, "columns") else one for one in X]
    return where_it_is(X)


TEACHER = Teacher(where_it_is, classes=["early", "late"])


def quick(teacher=TEACHER, student="lite", **settings):
    settings = {"max_epochs": 3, "n_windows": 4, "random_state": 0} | settings
    return SaliencyDistilledClassifier(teacher, student, **settings)


@pytest.fixture(scope="module")
def learnt():
    X, _ = bumps(60, 0)
    return quick(max_epochs=150, n_windows=10).fit(X)


@pytest.fixture(scope="module")
def new():
    return bumps(40, 1)[0]


@pytest.mark.slow
def test_the_student_learns_answers_and_reasons(learnt, new):
    assert learnt.fidelity_score(new) >= 0.95
    assert learnt.fidelity_score(new, metric="saliency") >= 0.8
    report = learnt.fidelity_report(new, n_explained=20)
    assert report.saliency > 0.8 and np.isfinite(report.areas().to_numpy()).all()
    areas = report.areas()
    assert (areas.loc["deletion", "student"] < areas.loc["deletion", "student, random order"]).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_the_teacher_is_asked_in_the_form_that_the_user_passed(form, n_channels):
    series, y = bumps(16, 0, n_channels)
    panel, names = padded(series), tuple("ab"[:n_channels])
    ndim = 2 if n_channels == 1 and form in ("list", "array") else 3
    X = UnevenForm(form, ndim, panel.shape[-1], names).of(panel)
    asked = []

    def teacher(X):
        asked.append(X)
        return in_any_form(X)

    student = quick(Teacher(teacher, classes=[0, 1])).fit(X, y)
    assert {type(one) for one in asked} == {type(X)}
    if hasattr(X, "columns"):
        assert all(one.columns.tolist() == X.columns.tolist() for one in asked)
    if form == "df-list":
        assert all(one[0].columns.tolist() == list(names) for one in asked)
    as_list = quick(Teacher(where_it_is, classes=[0, 1])).fit(series, y)
    np.testing.assert_allclose(student.predict_proba(X), as_list.predict_proba(series), atol=1e-5)


@pytest.mark.parametrize("name", STUDENTS)
def test_padding_more_changes_nothing(name, new):
    X, y = bumps(16, 0)
    narrow, wide = padded(X), np.pad(padded(X), [(0, 0), (0, 40)], constant_values=np.nan)
    teacher = Teacher(in_any_form, classes=[0, 1])
    students = [quick(teacher, name).fit(one, y) for one in (narrow, wide)]
    for one, other in zip(students[0].history_, students[1].history_, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
    answers = [student.predict_proba(new) for student in students]
    np.testing.assert_allclose(*answers, atol=1e-4)
    panel = padded(new)
    further = np.pad(panel, [(0, 0), (0, 40)], constant_values=np.nan)
    np.testing.assert_allclose(
        students[0].predict_proba(panel), students[0].predict_proba(further), atol=1e-5
    )
    maps = students[0].explain(panel)
    np.testing.assert_allclose(maps, students[0].explain(further)[:, : maps.shape[1]], atol=1e-4)


def test_explanations_end_where_the_series_end(learnt, new):
    for options in ({}, {"of": "teacher"}, {"fill": "mean"}, {"per_channel": True}):
        maps = learnt.explain(new, **options)
        maps = maps[:, 0] if options.get("per_channel") else maps
        for one, series in zip(maps, new, strict=True):
            assert np.isfinite(one[: len(series)]).all() and np.isnan(one[len(series) :]).all()
    longest = max(map(len, new))
    some = [one for one in new if len(one) == longest]
    alone = learnt.explain(some)
    rows = [i for i, one in enumerate(new) if len(one) == longest]
    np.testing.assert_allclose(alone, learnt.explain(new)[rows], atol=1e-5)


def test_a_series_alone_is_answered_as_among_others(learnt, new):
    among = learnt.predict_proba(new)
    for i in (0, 5, 7):
        np.testing.assert_allclose(learnt.predict_proba(new[i : i + 1])[0], among[i], atol=1e-5)
        np.testing.assert_allclose(learnt.predict_proba(new[i][None])[0], among[i], atol=1e-5)


def test_other_lengths_are_answered_within_a_range(learnt):
    _, longest = learnt._series_lengths
    rng = np.random.default_rng(0)
    X = [rng.normal(size=n) for n in (2, 3, 2 * longest)]
    assert np.isfinite(learnt.predict_proba(X)).all()
    maps = learnt.explain(X)
    assert np.isfinite(maps).sum(axis=1).tolist() == [2, 3, 2 * longest]
    for n, message in ((1, "a single timestep"), (2 * longest + 1, f"{2 * longest + 1} timesteps")):
        with pytest.raises(PanelError, match=rf"X\[1\] has {message}"):
            learnt.predict([rng.normal(size=longest), rng.normal(size=n)])


def test_measures_refuse_maps_that_end_elsewhere(learnt, new):
    from tsdistill.fidelity import saliency_correlation

    maps = learnt.explain(new[:3])
    cut = maps.copy()
    cut[0, 5] = np.nan
    with pytest.raises(ParameterError, match="student has NaN in 1 places"):
        saliency_correlation(maps, cut)


def test_unfitted_teachers_are_fitted_in_the_form_that_they_take():
    X, y = bumps(40, 0)
    boosting = HistGradientBoostingClassifier(max_iter=5)  # NaN in a 2-D array is no news to it
    student = quick(boosting).fit(X, y)
    assert isinstance(student.teacher_.model, HistGradientBoostingClassifier)
    assert student.teacher_.predict(X).shape == (40,)


@pytest.mark.parametrize("fitted", [False, True])
def test_pipelines_of_sktime_are_asked_in_a_form_of_sktime(fitted):
    from sktime.classification.interval_based import TimeSeriesForestClassifier
    from sktime.transformations.interpolate import TSInterpolator

    X, y = bumps(24, 0)
    teacher = TSInterpolator(30) * TimeSeriesForestClassifier(n_estimators=3, random_state=0)
    frames = UnevenForm("df-list", 3, 40, ("a",)).of(padded(X)[:, None])
    if fitted:
        teacher.fit(frames, y)
    student = quick(teacher, n_windows=2, n_mixtures=0).fit(X, y)
    expected = teacher if fitted else student.teacher_.model
    np.testing.assert_array_equal(student.teacher_.predict(X), expected.predict(frames))


def test_padded_arrays_are_as_long_as_in_fit():
    X, y = bumps(16, 0)
    lengths, wide = [], np.pad(padded(X), [(0, 0), (0, 5)], constant_values=np.nan)

    def teacher(X):
        lengths.append(X.shape[-1])
        return in_any_form(X)

    student = quick(Teacher(teacher, classes=[0, 1])).fit(wide, y)
    student.explain(wide, of="teacher")  # of the series of each length in turn
    student.explain(padded(X)[:2], of="teacher")
    assert set(lengths) == {wide.shape[-1]}


def test_the_trial_query_shows_series_of_different_lengths():
    X, y = bumps(16, 0)
    X = sorted(X, key=len)
    X, same = [X[-1], X[-1], *X], []

    def teacher(X):
        same.append(len({len(one) for one in X}) == 1)
        return where_it_is(X)

    quick(Teacher(teacher, classes=[0, 1])).fit(X, [0, 1, *y])
    assert not same[0]


class TakesLengths(nn.Module):
    def forward(self, series, lengths):
        assert torch.isfinite(series).all()
        score = series.sum(dim=(1, 2)) / lengths
        return torch.stack([-score, score], dim=1)


class TakesMask(nn.Module):
    def forward(self, series, mask):
        score = (series * mask[:, None]).sum(dim=(1, 2)) / mask.sum(dim=1)
        return torch.stack([-score, score], dim=1)


class TakesNaN(nn.Module):
    def forward(self, series):
        score = series.nanmean(dim=(1, 2))
        return torch.stack([-score, score], dim=1)


def test_torch_modules_are_given_lengths_or_a_mask():
    X, y = bumps(16, 0)
    students = [
        quick(Teacher(module(), classes=[0, 1])).fit(X, y)
        for module in (TakesLengths, TakesMask, TakesNaN)
    ]
    answers = [student.teacher_.predict_proba(X) for student in students]
    expected = 1 / (1 + np.exp([-2 * one.mean() for one in X]))
    for answer in answers:
        np.testing.assert_allclose(answer[:, 1], expected, atol=1e-5)
    mixed = quick([Teacher(TakesMask(), classes=[0, 1]), Teacher(where_it_is, [0, 1])]).fit(X, y)
    assert mixed.predict_proba(X).shape == (16, 2)


class TakesNeither(nn.Module):
    def forward(self, series):
        return series.mean(dim=2) * torch.tensor([-1.0, 1.0])


@pytest.mark.parametrize("teacher", [TakesNeither(), lambda X: 1 / 0], ids=["NaN", "fails"])
def test_a_teacher_that_cannot_take_them_is_refused_with_the_remedies(teacher):
    with pytest.raises(TeacherError, match=r"cannot take.*TSInterpolator.*module\(series, lengt"):
        quick(Teacher(teacher, classes=[0, 1])).fit(bumps(16, 0)[0])


def test_own_students_are_given_series_padded_with_nan():
    X, _ = bumps(16, 0)

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            assert x.isnan().any()
            return self.linear(torch.cat([x.nanmean(dim=2), x.nansum(dim=2)], dim=1))

    assert np.isfinite(quick(student=Own()).fit(X).predict_proba(X)).all()


def test_fit_goes_on_from_series_of_unequal_length():
    X, _ = bumps(16, 0)
    student = quick(warm_start=True, student=FCN(n_filters=2)).fit(X)
    first = student.n_queries_, len(student.history_)
    student.fit(X)
    assert student.n_queries_ == first[0] and len(student.history_) == 2 * first[1]
    of_one_length = [one[:20] for one in X]
    student.fit(of_one_length)
    assert np.isfinite(student.explain(of_one_length)).all()


def test_more_series_may_have_other_lengths(tmp_path):
    X, y = bumps(16, 0)
    more = [np.r_[one, one[:3]] for one in bumps(6, 3)[0]]
    asked = [0]

    def teacher(X):
        asked[0] += len(X)
        return where_it_is(X)

    teacher = Teacher(teacher, classes=[0, 1])
    student = quick(teacher, memory=str(tmp_path)).fit(X, y, X_unlabelled=more)
    assert student.n_queries_ > 22
    first = asked[0]
    quick(teacher, memory=str(tmp_path)).fit(X, y, X_unlabelled=more)
    assert asked[0] - first < first / 4  # only what identifies the teacher was asked again


def test_a_fitted_student_can_be_pickled_and_searched(learnt, new):
    again = pickle.loads(pickle.dumps(learnt))
    np.testing.assert_array_equal(again.predict_proba(new), learnt.predict_proba(new))
    X, y = bumps(24, 0)
    X_object = np.empty(24, dtype=object)
    X_object[:] = X
    scores = cross_val_score(quick(Teacher(where_it_is, classes=[0, 1])), X_object, y, cv=2)
    assert len(scores) == 2


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ([], r"X\[0\] has no value"),
        ([1.0], r"X\[0\] has a single timestep"),
        ([1.0, np.inf, 2.0], r"X\[0\] has an infinite value at timestep 1"),
        ([1.0, np.nan, 2.0], r"X\[0\] has a missing value.*timestep 1"),
        (None, r"X\[0\] is None, where X\[1\] is a series"),
        (["a", "b"], "X holds text"),
        ([1j, 2.0, 3.0], "values of type complex128"),
        ([[1.0, 2.0]], "series of 1 and of 2 axes"),
        (np.ma.masked_array([1.0, 2.0], mask=[True, False]), "1 masked values"),
    ],
)
def test_bad_series_are_refused_by_their_position(first, message):
    X, y = bumps(16, 0)
    one = first if isinstance(first, (list, type(None), np.ma.MaskedArray)) else np.array(first)
    with pytest.raises(PanelError, match=message):
        quick(Teacher(in_any_form, classes=[0, 1])).fit([one, *X[1:]], y)
    with pytest.raises(PanelError, match="X is empty"):
        quick(Teacher(in_any_form, classes=[0, 1])).fit([], [])


@pytest.mark.parametrize("objective", [ExplanationAutoencoder(), TemporalReview()], ids=str)
def test_objectives_that_cannot_take_them_say_so(objective):
    X, _ = bumps(16, 0)
    message = rf"unequal length, which {type(objective).__name__} cannot.*TSInterpolator.*leave it"
    with pytest.raises(ParameterError, match=message):
        quick(auxiliary=objective).fit(X)


@pytest.mark.parametrize("own", [True, False])
def test_a_swap_defers_series_of_unequal_length(learnt, new, own):
    swap = DeferringClassifier(learnt, None if own else TEACHER, 0.2, 0.9).fit(new)
    assert (swap.predict(new) == learnt.teacher_.predict(new)).mean() >= 0.8
    deferred = swap.defers(new)
    np.testing.assert_array_equal(
        swap.predict(new)[deferred], learnt.teacher_.predict(new)[deferred]
    )


@pytest.mark.parametrize("own", [True, False])
def test_a_swap_promises_the_reasons_of_series_of_unequal_length(learnt, new, own):
    swap = DeferringClassifier(learnt, None if own else TEACHER, 0.2, 0.9, min_saliency=0.8)
    found = swap.set_params(max_unlike=0.5).fit(new).promises_["saliency"]
    alone = ~swap.defers(new)
    unlike = []
    for series in new:
        labels = learnt.teacher_.predict([series])
        maps = [
            learnt.explain([series], target=labels, of=of, fill="mean")[0]
            for of in ("student", "teacher")
        ]
        ends = np.isfinite(maps[0])
        unlike.append(np.corrcoef(maps[0][ends], maps[1][ends])[0, 1] < 0.8)
    assert alone.any() and found["share"] == np.mean(alone & unlike)


def test_explainers_that_cannot_take_them_say_so(learnt, new):
    with pytest.raises(ParameterError, match="cannot explain series of unequal length"):
        learnt.explain(new, method="autoencoder")
    with pytest.raises(TeacherError, match="method='gradient' needs.*black box; use method='occl"):
        learnt.explain(new, method="gradient", of="teacher")


@pytest.mark.parametrize("method", ["gradient", "integrated_gradients"])
def test_gradients_explain_them_up_to_their_ends(learnt, new, method):
    for options in ({}, {"fill": "zero"}, {"per_channel": True}):
        maps = learnt.explain(new, method=method, **options)
        maps = maps[:, 0] if options.get("per_channel") else maps
        for one, series in zip(maps, new, strict=True):
            assert np.isfinite(one[: len(series)]).all() and np.isnan(one[len(series) :]).all()
    alone = learnt.explain(new[3:4], method=method)[0]
    among = learnt.explain(new, method=method)[3]
    np.testing.assert_allclose(alone, among[: len(alone)], atol=1e-5)


def test_gradients_explain_teachers_that_take_lengths():
    X, y = bumps(16, 0)
    student = quick(Teacher(TakesLengths(), classes=[0, 1]), saliency="gradient").fit(X, y)
    for method in ("gradient", "integrated_gradients"):
        maps = student.explain(
            X, method=method, of="teacher", target=np.ones(16, dtype=int), fill="zero"
        )
        for one, series in zip(maps, X, strict=True):  # its score is the mean of the series
            np.testing.assert_allclose(one[: len(series)], series / len(series), atol=1e-5)
