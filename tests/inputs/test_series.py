"""Names of columns, shapes, and values that float32 cannot hold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from tsdistill.exceptions import PanelError
from tsdistill.inputs.panel import as_panel, check_resolution


def test_names_of_columns_follow_scikit_learn_and_do_not_reach_the_teacher(toy, quick, recwarn):
    X, y = toy
    frame = pd.DataFrame(X, columns=[f"t{t}" for t in range(20)])
    student = quick(LogisticRegression().fit(frame, y)).fit(frame, y)
    assert student.feature_names_in_.tolist() == list(frame.columns)
    student.fidelity_score(frame)
    student.explain(frame, of="teacher")
    assert not [w for w in recwarn if "feature names" in str(w.message)]
    with pytest.raises(ValueError, match="feature names"):
        student.predict(frame[frame.columns[::-1]])
    np.testing.assert_array_equal(
        quick(LogisticRegression()).fit(X, y).predict(X),
        quick(LogisticRegression()).fit(frame, y).predict(frame),
    )


def checked(X):
    check_resolution(X, as_panel(X))


@pytest.mark.parametrize("value", [0.1, -3.3, 0.7])
def test_a_constant_channel_has_nothing_to_lose_however_many_values_it_has(value):
    for n_instances in range(1, 40):
        for n_timepoints in (3, 7, 20, 101):
            checked(np.full((n_instances, n_timepoints), value))


def test_a_constant_channel_beside_one_that_varies_is_fitted(toy, quick):
    X, y = toy
    panel = np.stack([X, np.full(X.shape, 0.1), np.full(X.shape, -3.3)], axis=1)
    student = quick(lambda X: np.tile([0.5, 0.3, 0.2], (len(X), 1)), max_epochs=1)
    assert np.isfinite(student.fit(panel, y).predict_proba(panel)).all()


SUBTRACT = "too little for float32 to tell apart; subtract the mean before fitting.$"
MULTIPLY = (
    "too little for float32; multiply the series by a constant before fitting, so that they vary "
    "by about 1.$"
)
FINE = {
    "float64 around 1e9": (lambda X: 1e9 + X, SUBTRACT),
    "float64 of 1e-37": (lambda X: 1e-37 * X, MULTIPLY),
    "float64 of 1e-40": (lambda X: 1e-40 * X, MULTIPLY),
    "float64 of 1e-200": (lambda X: 1e-200 * X, MULTIPLY),
    "float32 of 1e-37": (lambda X: (1e-37 * X).astype(np.float32), MULTIPLY),
    "float32 of 1e-40": (lambda X: (1e-40 * X).astype(np.float32), MULTIPLY),
    "int64 near 2**60": (lambda X: 2**60 + (10 * X).astype(np.int64), SUBTRACT),
    "uint64 near 2**63": (lambda X: np.uint64(2**63) + (10 * X + 9).astype(np.uint64), SUBTRACT),
}


@pytest.mark.parametrize("case", FINE)
def test_variation_that_float32_loses_is_refused_with_its_remedy(toy, quick, case):
    make, message = FINE[case]
    X, y = toy
    with pytest.raises(PanelError, match=f"^X varies by .* in channel 0.*{message}"):
        quick(max_epochs=1).fit(make(X), y)


@pytest.mark.parametrize("case", FINE)
def test_unlabelled_series_are_refused_as_labelled_ones_are(toy, quick, case):
    make, message = FINE[case]
    X, y = toy
    with pytest.raises(PanelError, match=f"^X_unlabelled does not fit X: X varies .*{message}"):
        quick(max_epochs=1).fit(X, y, X_unlabelled=make(X))


def test_integers_that_float32_can_tell_apart_are_accepted():
    rng = np.random.default_rng(0)
    wide = rng.integers(-(2**62), 2**62, size=(12, 20))
    for X in (
        wide,
        np.full((12, 20), 2**60 + 1),
        np.full((12, 20), 2**64 - 1, dtype=np.uint64),
        np.where(wide > 0, np.iinfo(np.int64).max, np.iinfo(np.int64).min),
        np.arange(240, dtype=np.int32).reshape(12, 20),
    ):
        checked(X)


def test_series_with_timepoints_before_channels_are_to_be_transposed(quick):
    X, y = np.random.default_rng(0).normal(size=(12, 2, 20)), np.arange(12) % 3
    student = quick(lambda X: np.tile([0.5, 0.3, 0.2], (len(X), 1)), max_epochs=1).fit(X, y)
    for ask in (student.predict, student.predict_proba, student.explain, student.fidelity_score):
        with pytest.raises(PanelError) as caught:
            ask(X.transpose(0, 2, 1))
        assert str(caught.value) == (
            "X has 20 channel(s) and 2 timepoints, but SaliencyDistilledClassifier was fitted on "
            "2 channel(s) and 20 timepoints; transpose it with X.transpose(0, 2, 1)."
        )
