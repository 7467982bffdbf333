"""Tensors and masked arrays as series, labels and weights."""

import numpy as np
import pytest
import torch

from tsdistill.exceptions import PanelError


def some_masked(values):
    return np.ma.masked_array(values, mask=np.arange(np.size(values)).reshape(values.shape) == 5)


def message(name):
    return (
        f"{name} has 1 masked values, but all values are needed; fill them first, for example "
        f"with {name}.filled(0)."
    )


@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_masked_values_are_refused_by_name(toy, quick, name):
    given = {"X": toy[0], "y": toy[1], "sample_weight": np.ones(12)}
    given[name] = some_masked(given[name])
    with pytest.raises(PanelError) as caught:
        quick(max_epochs=1).fit(**given)
    assert str(caught.value) == message(name)


def test_masked_values_of_unlabelled_and_of_later_series_are_refused(toy, quick):
    X, y = toy
    with pytest.raises(PanelError, match="^X_unlabelled does not fit X: X has 1 masked values"):
        quick(max_epochs=1).fit(X, y, X_unlabelled=some_masked(X))
    student = quick(max_epochs=1).fit(X, y)
    for ask in (student.predict, student.predict_proba, student.explain, student.fidelity_score):
        with pytest.raises(PanelError) as caught:
            ask(some_masked(X))
        assert str(caught.value) == message("X")
    with pytest.raises(PanelError, match="^X has 1 masked values"):
        student.predict(list(map(some_masked, X)))


def test_arrays_that_could_have_masks_but_have_none_are_accepted(toy, quick):
    X, y = toy
    weight = np.arange(1.0, 13)
    expected = quick(max_epochs=1).fit(X, y, sample_weight=weight).predict_proba(X)
    for mask in (False, np.ma.nomask):
        masked = [np.ma.masked_array(values, mask=mask) for values in (X, y, weight)]
        student = quick(max_epochs=1).fit(*masked[:2], sample_weight=masked[2])
        assert not isinstance(student.classes_, np.ma.MaskedArray)
        np.testing.assert_array_equal(student.predict_proba(masked[0]), expected)


def test_tensors_that_need_gradients_are_series_and_weights(toy, quick):
    X, y = toy
    weight = np.arange(1.0, 13)
    expected = quick(max_epochs=1).fit(X, y, sample_weight=weight).predict_proba(X)
    series, weights = (torch.tensor(values, requires_grad=True) for values in (X, weight))
    student = quick(max_epochs=1).fit(series, torch.tensor(y), sample_weight=weights)
    np.testing.assert_array_equal(student.predict_proba(series), expected)
    assert student.score(series, torch.tensor(y)) == student.score(X, y)
    in_a_list = quick(max_epochs=1).fit(list(series), y, sample_weight=weights)
    np.testing.assert_array_equal(in_a_list.predict_proba(list(series)), expected)
    assert series.requires_grad and series.grad is None


def test_tensors_of_bfloat16_are_series_labels_and_weights(toy, quick):
    series, labels, weights = (
        torch.tensor(values).bfloat16() for values in (*toy, np.arange(1.0, 13))
    )
    X, y, weight = (values.float().numpy() for values in (series, labels, weights))
    expected = quick(max_epochs=1).fit(X, y, sample_weight=weight)
    student = quick(max_epochs=1).fit(series, labels, sample_weight=weights)
    assert student.classes_.tolist() == expected.classes_.tolist()
    np.testing.assert_array_equal(student.predict_proba(series), expected.predict_proba(X))
