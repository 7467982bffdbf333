"""Fits and answers for series that are not in memory."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from tests.conftest import Counted, bump_teacher
from tests.stored import Limited, mapped, stream
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import LeftOutWarning, PanelError, ParameterError, TeacherError
from tsdistill.inputs import stored


@pytest.fixture
def many():
    """Ninety series of the toy set's kind, (90, 1, 20) in float32, and their labels."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(scale=0.3, size=(90, 1, 20)).astype(np.float32)
    for row, k in zip(X, y, strict=True):
        row[0, 2 + 6 * k : 6 + 6 * k] += 1.0
    return X, np.array(["a", "b", "c"])[y]


SETTINGS = {"max_epochs": 3, "n_windows": 4, "n_mixtures": 0, "random_state": 0}


def same_weights(student, other):
    mine, theirs = (one.student_.module_.state_dict() for one in (student, other))
    return all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_mixtures": 40},
        {"n_mixtures": None, "max_epochs": 1},
        {"donors": "any"},
        {"donors": "noise"},
        {"validation_fraction": 0.2},
        {"saliency": "class", "class_weight": "balanced"},
        {"saliency_weight": 0},
        {"windows_per_step": 0.5, "student": "gru"},
    ],
    ids=str,
)
@pytest.mark.parametrize("labelled", [True, False])
def test_a_fit_in_one_pool_is_the_fit_in_memory(many, monkeypatch, settings, labelled):
    X, y = many
    y = y if labelled else None
    settings = SETTINGS | settings
    in_memory = SaliencyDistilledClassifier(bump_teacher, **settings).fit(X, y)
    stream(monkeypatch, X)
    array = Limited(X, most_rows=90)
    student = SaliencyDistilledClassifier(bump_teacher, **settings).fit(array, y)
    assert same_weights(student, in_memory)
    assert student.n_queries_ == in_memory.n_queries_
    np.testing.assert_array_equal(student._baselines.mean, in_memory._baselines.mean)
    np.testing.assert_array_equal(student.explain(X), in_memory.explain(X))
    assert array.n_read > 0


@pytest.mark.parametrize("as_list", [False, True])
def test_the_scale_of_logits_is_that_of_series_in_memory(many, monkeypatch, as_list):
    X, y = many
    y = np.where(np.arange(90) % 7 == 0, np.roll(y, 1), y)  # so that certainty has its limits
    one = Teacher(bump_teacher, scale="calibrated")
    teacher = [one, bump_teacher] if as_list else one
    in_memory = SaliencyDistilledClassifier(teacher, **SETTINGS).fit(X, y)
    stream(monkeypatch, X)
    student = SaliencyDistilledClassifier(teacher, **SETTINGS).fit(Limited(X, 90), y)
    assert same_weights(student, in_memory)
    scaled, own = (one.predict_proba(X[:2]) for one in (student.teacher_, bump_teacher_of(X, y)))
    assert np.abs(scaled - own).max() > 0.01
    stream(monkeypatch, X, pool_rows=32, most_donors=45, chunk_rows=16)
    part = SaliencyDistilledClassifier(teacher, **SETTINGS).fit(Limited(X, 90), y).teacher_
    np.testing.assert_allclose(part.predict_proba(X[:9]), student.teacher_.predict_proba(X[:9]),
                               atol=0.1)  # fmt: skip


def bump_teacher_of(X, y):
    """The bound teacher without a scale of its own."""
    return SaliencyDistilledClassifier(bump_teacher, **SETTINGS).fit(X, y).teacher_


@pytest.mark.parametrize("ndim", [2, 3])
def test_classes_that_y_lacks_are_counted_in_reports(many, monkeypatch, ndim):
    X, y = many
    X = X if ndim == 3 else X[:, 0]
    two = y != "c"
    stream(monkeypatch, X)
    named = Teacher(bump_teacher, classes=["a", "b", "c"])
    with pytest.warns(LeftOutWarning):
        student = SaliencyDistilledClassifier(named, **SETTINGS).fit(Limited(X[two], 60), y[two])
    report = student.fidelity_report(Limited(X, 90), n_explained=5)
    assert report.n_left_out == student.fidelity_report(X, n_explained=5).n_left_out > 20


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_fit_in_several_pools_reads_few_series_at_a_time(many, monkeypatch, ndim):
    X, y = many
    X = X if ndim == 3 else X[:, 0]
    stream(monkeypatch, X, pool_rows=32, block_rows=4, most_donors=30, chunk_rows=16)
    array = Limited(X.astype(np.float64), most_rows=4)
    settings = SETTINGS | {"max_epochs": 40}
    student = SaliencyDistilledClassifier(bump_teacher, **settings).fit(array, y)
    in_memory = SaliencyDistilledClassifier(bump_teacher, **settings).fit(X, y)
    assert not same_weights(student, in_memory)  # another order
    assert student.fidelity_score(array) >= 0.95
    assert student.score(array, y) >= 0.95
    assert student.n_features_in_ == in_memory.n_features_in_
    again = SaliencyDistilledClassifier(bump_teacher, **settings).fit(array, y)
    assert same_weights(student, again)


def test_mixtures_and_held_out_series_stream_too(many, monkeypatch):
    X, y = many
    stream(monkeypatch, X, pool_rows=32, block_rows=4, most_donors=30, chunk_rows=16)
    settings = SETTINGS | {"n_mixtures": 25, "validation_fraction": 0.3, "max_epochs": 20}
    student = SaliencyDistilledClassifier(bump_teacher, **settings).fit(Limited(X, 4), y)
    assert student.n_queries_ == (90 + 25) * 5 + 64
    assert student.history_[-1]["valid_loss"] < student.history_[0]["valid_loss"]


def test_a_teacher_that_knows_its_series_by_heart_gets_mixtures_of_a_part(many, monkeypatch):
    X, y = many
    by_heart = np.random.default_rng(0).permutation(y)
    stream(monkeypatch, X, pool_rows=32, block_rows=4, most_donors=30, chunk_rows=16)
    monkeypatch.setattr("tsdistill.training.transfer_set.ENOUGH_SERIES", 50)
    forest = RandomForestClassifier(20, random_state=0).fit(X[:, 0], by_heart)
    settings = {"max_epochs": 1, "n_windows": 2, "random_state": 0}
    student = SaliencyDistilledClassifier(forest, **settings)
    student.fit(Limited(X[:, 0], 4), by_heart)
    assert student.n_queries_ == (90 + 400) * 3 + 64
    general = SaliencyDistilledClassifier(bump_teacher, **settings).fit(Limited(X, 4), y)
    assert general.n_queries_ == 90 * 3 + 64


def test_a_trial_of_mixtures_holds_a_part_of_the_series(many, monkeypatch):
    X, y = many
    by_heart = np.random.default_rng(0).permutation(y)
    stream(monkeypatch, X, pool_rows=32, block_rows=4, most_donors=30, chunk_rows=16)
    tried = []

    def mislead(transfer_set, net, gives_proba, objectives, weight, rows, seed):
        tried.append((transfer_set, weight, rows))
        return False

    monkeypatch.setattr("tsdistill.training.distil.mixtures_mislead", mislead)
    forest = RandomForestClassifier(20, random_state=0).fit(X[:, 0], by_heart)
    settings = {"max_epochs": 1, "n_windows": 2, "random_state": 0}
    SaliencyDistilledClassifier(forest, **settings).fit(Limited(X[:, 0], 4), by_heart)
    ((transfer_set, weight, rows),) = tried
    assert rows.tolist() == list(range(transfer_set.n_given)) and 20 <= len(rows) < 50
    assert len(transfer_set.panel) == len(weight) == len(rows) + 400
    mixtures = transfer_set.mixtures
    np.testing.assert_array_equal(mixtures.of(transfer_set.panel), transfer_set.panel[len(rows) :])


def test_unlabelled_series_may_be_stored_where_x_is_not_and_the_reverse(many, monkeypatch):
    X, y = many
    expected = SaliencyDistilledClassifier(bump_teacher, **SETTINGS)
    expected = expected.fit(X[:30], y[:30], X_unlabelled=X[30:])
    stream(monkeypatch, X)
    for labelled, more in ((X[:30], Limited(X[30:], 60)), (Limited(X[:30], 30), X[30:])):
        student = SaliencyDistilledClassifier(bump_teacher, **SETTINGS)
        assert same_weights(student.fit(labelled, y[:30], X_unlabelled=more), expected)
    with pytest.raises(PanelError, match="X_unlabelled does not fit X: X has 1 channel"):
        student.fit(Limited(X[:30], 30), y[:30], X_unlabelled=Limited(X[30:, :, 1:], 60))
    wrong = X[30:].copy()
    wrong[7, 0, 3] = np.nan
    with pytest.raises(PanelError, match=r"X_unlabelled\[7\] has a missing value"):
        student.fit(Limited(X[:30], 30), y[:30], X_unlabelled=Limited(wrong, 60))


@pytest.fixture
def fitted(many, monkeypatch):
    X, y = many
    student = SaliencyDistilledClassifier(bump_teacher, **SETTINGS).fit(X, y)
    stream(monkeypatch, X, pool_rows=32, block_rows=4, chunk_rows=16)
    return student, X, y, Limited(X, most_rows=4)


def test_answers_and_maps_stream_and_equal_those_in_memory(fitted, tmp_path):
    student, X, _, array = fitted
    np.testing.assert_array_equal(student.predict(array), student.predict(X))
    asked = {"predict_proba": {}, "explain": {"of": "teacher", "target": "b", "per_channel": True}}
    for name, arguments in asked.items():
        ask = getattr(student, name)
        expected = ask(X, **arguments)
        np.testing.assert_allclose(ask(array, **arguments), expected, rtol=1e-5, atol=1e-6)
        for series in (X, array):
            out = np.memmap(tmp_path / name, np.float32, "w+", shape=expected.shape)
            assert ask(series, out=out, **arguments) is out
            np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["occlusion", "gradient"])
def test_maps_of_own_predictions_stream(fitted, method):
    student, X, _, array = fitted
    expected = student.explain(X, method=method)
    np.testing.assert_allclose(student.explain(array, method=method), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("out", "found"),
    [
        (np.empty((90, 2), np.float32), "an array of shape (90, 2) and type float32"),
        (np.empty((90, 3), np.int64), "an array of shape (90, 3) and type int64"),
        (np.broadcast_to(np.float32(0), (90, 3)), "an array of shape (90, 3) and type float32 "
         "that is read-only"),
        ([1, 2], "[1, 2]"),
    ],
)  # fmt: skip
def test_an_out_that_cannot_take_the_answers_is_refused(fitted, out, found):
    student, X, _, array = fitted
    for series in (X, array):
        with pytest.raises(ParameterError) as raised:
            student.predict_proba(series, out=out)
        assert str(raised.value) == (
            f"out is {found}; expected an array of shape (90, 3) of float32 or float64 that can be "
            "written to."
        )


def test_scores_and_reports_stream(fitted):
    student, X, y, array = fitted
    for metric in ("agreement", "kl", "saliency", "deletion", "insertion", "accuracy"):
        score = student.fidelity_score(array, y, metric=metric)
        assert score == pytest.approx(student.fidelity_score(X, y, metric=metric), abs=1e-5)
    frames = [student.fidelity_report(S, y, n_explained=9).to_frame() for S in (array, X)]
    np.testing.assert_allclose(*(frame["value"] for frame in frames), atol=1e-5)


def test_kept_answers_are_found_again(many, monkeypatch, tmp_path):
    X, y = many
    stream(monkeypatch, X, pool_rows=32, block_rows=4, most_donors=30, chunk_rows=16)
    teacher = Counted()
    asked = []
    for _ in range(2):
        student = SaliencyDistilledClassifier(teacher, **SETTINGS, memory=tmp_path)
        student.fit(Limited(X, 4), y)
        asked.append(teacher.n_asked)
    probes = 64 + 2  # of the fingerprint, and those that find the layout
    assert asked[1] - asked[0] <= probes
    student.fidelity_score(Limited(X, 4))
    assert teacher.n_asked == asked[1]


def test_a_stored_series_with_a_gap_is_named(many, tmp_path, monkeypatch):
    X, y = many
    X[41, 0, 7] = np.nan
    stream(monkeypatch, X, pool_rows=32)
    asked = Counted()
    with pytest.raises(PanelError, match=r"^X\[41\] has a missing value \(NaN\) at timestep 7"):
        SaliencyDistilledClassifier(asked, **SETTINGS).fit(mapped(tmp_path / "x.npy", X), y)
    assert asked.n_asked == 0


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"teacher": RandomForestClassifier()}, TeacherError, "is not fitted, and X is not in mem"),
        ({"warm_start": True}, ParameterError, "warm_start=True keeps the series beyond the fit, "),
        ({"missing": "mask"}, ParameterError, "missing='mask' has its gaps looked for in all"),
        ({"saliency": "gradient"}, ParameterError, "GradientSaliency needs all series at once"),
    ],
    ids=str,
)  # fmt: skip
def test_what_needs_all_series_in_memory_is_refused(many, monkeypatch, settings, error, message):
    X, y = many
    stream(monkeypatch, X)
    settings = {"teacher": Counted()} | SETTINGS | settings
    with pytest.raises(error) as raised:
        SaliencyDistilledClassifier(**settings).fit(Limited(X, 90), y)
    assert message in str(raised.value)


def test_labels_and_series_that_do_not_fit_are_refused(fitted):
    student, X, y, array = fitted
    with pytest.raises(PanelError, match="y has 89 labels, but X has 90 series"):
        student.fit(array, y[1:])
    with pytest.raises(PanelError, match=r"X has 2 axes, shape \(90, 20\), but"):
        student.predict(Limited(X[:, 0], 4))
    with pytest.raises(PanelError, match=r"X has 1 channel\(s\) and 19 timepoints"):
        student.predict(Limited(X[:, :, 1:], 4))
    flat = SaliencyDistilledClassifier(bump_teacher, **SETTINGS).fit(X[:, 0], y)
    with pytest.raises(PanelError, match="X has 19 timepoints, but .* was fitted on 20;"):
        flat.predict(Limited(X[:, 0, 1:], 4))
    uneven = [series[0, :n] for series, n in zip(X, [20] * 89 + [15], strict=True)]
    flat.set_params(teacher=lambda X: bump_teacher(np.stack([np.resize(x, 20) for x in X])))
    flat.fit(uneven, y)
    with pytest.raises(PanelError, match="was fitted on series of unequal length"):
        flat.predict(Limited(X[:, 0], 4))


@pytest.mark.slow
def test_a_small_memory_map_is_trained_on_as_an_array(many, tmp_path):
    X, y = many
    assert X.nbytes < stored.LARGEST_READ_WHOLE
    expected = SaliencyDistilledClassifier(bump_teacher, **SETTINGS).fit(X, y)
    student = SaliencyDistilledClassifier(bump_teacher, **SETTINGS)
    assert same_weights(student.fit(mapped(tmp_path / "x.npy", X), y), expected)
