from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from sktime.datatypes import convert_to

from tests.conftest import bump_teacher
from tsdistill import Teacher
from tsdistill.exceptions import PanelError, TeacherError
from tsdistill.inputs.formats import as_array, form_of
from tsdistill.inputs.forms import FORMS, UnevenForm
from tsdistill.sktime import SaliencyDistilledTSC


@pytest.fixture
def panel():
    return np.random.default_rng(0).normal(size=(12, 2, 20))


def in_format(panel, name):
    if name == "list of arrays":
        return list(panel)
    if name == "list of lists":
        return panel.tolist()
    if name == "object array":
        instances = np.empty(len(panel), dtype=object)
        instances[:] = list(panel)
        return instances
    return convert_to(panel, name)


FORMATS = [
    "nested_univ", "pd-multiindex", "df-list", "list of arrays", "list of lists", "object array",
]  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_formats_become_the_same_panel(panel, name):
    np.testing.assert_allclose(np.asarray(as_array(in_format(panel, name))), panel)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_the_classifier_takes_them_in_fit_and_predict(quick, panel, name, n_channels):
    panel, y = panel[:, :n_channels], np.arange(12) % 3

    def teacher(X):
        scores = np.exp(X[:, 0, :3])
        return scores / scores.sum(axis=1, keepdims=True)

    student = quick(teacher).fit(in_format(panel, name), y)
    expected = quick(teacher).fit(panel, y).predict_proba(panel)
    assert (student.n_channels_in_, student.n_timepoints_in_) == (n_channels, 20)
    np.testing.assert_array_equal(student.predict_proba(in_format(panel, name)), expected)
    np.testing.assert_array_equal(student.predict_proba(panel), expected)
    assert student.explain(in_format(panel, name)).shape == (12, 20)


def test_rows_of_an_instance_may_lie_apart(panel):
    frame = in_format(panel, "pd-multiindex")
    np.testing.assert_allclose(as_array(frame.sort_index(level=1, sort_remaining=False)), panel)
    backwards = frame.loc[list(range(12))[::-1]]
    np.testing.assert_allclose(as_array(backwards), panel[::-1])


@pytest.mark.parametrize("name", ["nested_univ", "pd-multiindex", "df-list"])
@pytest.mark.parametrize("tsc", [False, True])
def test_channels_in_another_order_are_refused(quick, panel, name, tsc):
    def teacher(X):
        scores = np.exp(X[:, 0, :3])
        return scores / scores.sum(axis=1, keepdims=True)

    def swapped(X):
        columns = (X[0] if name == "df-list" else X).columns[::-1]
        return [one[columns] for one in X] if name == "df-list" else X[columns]

    X, y = in_format(panel, name), np.arange(12) % 3
    student = quick(teacher)
    if tsc:
        student = SaliencyDistilledTSC(teacher, max_epochs=3, n_windows=4, random_state=0)
    student.fit(X, y)
    for ask in (student.predict, student.predict_proba, student.explain, student.fidelity_score):
        with pytest.raises(PanelError, match="X has the channels .* but those of fit were"):
            ask(swapped(X))
        ask(X), ask(panel)
    if name == "df-list":
        with pytest.raises(PanelError, match="instances with the channels"):
            student.fit([X[0], *swapped(X)[1:]], y)


def test_more_containers(panel):
    frame = in_format(panel, "nested_univ")
    for same in (
        pd.Series(list(panel)),
        frame.apply(lambda column: column.map(np.asarray)),
        frame.to_numpy(),
        [torch.from_numpy(one) for one in panel],
        [tuple(map(tuple, one)) for one in panel],
    ):
        np.testing.assert_allclose(as_array(same), panel)


def test_other_things_stay_as_they_are(panel):
    for X in (panel, panel[:, 0], pd.DataFrame(panel[:, 0]), [], [1.0, 2.0], "text", None):
        assert as_array(X) is X


def ragged(name):
    series = [np.arange(5.0 + i) for i in range(4)]
    if name == "list of arrays":
        return series
    if name == "list of lists":
        return [one.tolist() for one in series]
    if name == "list of 2-D arrays":
        return [one[np.newaxis] for one in series]
    if name == "object array":
        instances = np.empty(4, dtype=object)
        instances[:] = series
        return instances
    frames = [pd.DataFrame({"a": one}) for one in series]
    if name == "df-list":
        return frames
    if name == "pandas Series":
        return pd.Series(series)
    if name == "list of pandas Series":
        return [pd.Series(one) for one in series]
    if name == "list of tensors":
        return [torch.from_numpy(one) for one in series]
    if name == "nested_univ":
        return pd.DataFrame({"a": [pd.Series(one) for one in series]})
    return pd.concat(frames, keys=range(4), names=["instance", "time"])


RAGGED = [
    "list of arrays", "list of lists", "list of 2-D arrays", "object array", "df-list",
    "nested_univ", "pd-multiindex", "pandas Series", "list of pandas Series", "list of tensors",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of a teacher that looks beyond the end
@pytest.mark.parametrize("name", RAGGED)
def test_unequal_length_names_the_transformers(quick, toy, name):
    names = "PaddingTransformer.*TruncationTransformer.*TSInterpolator"
    with pytest.raises(TeacherError, match=rf"cannot take series of unequal length.*{names}"):
        quick(Teacher(bump_teacher, classes=[0, 1, 2])).fit(ragged(name))
    fitted_on_one_length = quick().fit(*toy)
    with pytest.raises(PanelError, match=rf"of 5 to 8 timepoints.*{names}"):
        fitted_on_one_length.predict(ragged(name))


@pytest.mark.parametrize("name", RAGGED)
def test_series_of_unequal_length_become_one_array_padded_with_nan(name):
    X = as_array(ragged(name), uneven=True)
    panel = X.reshape(4, 1, 8)
    for one, series in zip(ragged("list of arrays"), panel[:, 0], strict=True):
        np.testing.assert_array_equal(series[: len(one)], one)
        assert np.isnan(series[len(one) :]).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ndim", [2, 3])
def test_a_form_holds_the_values_of_its_panel(form, ndim):
    panel = as_array(ragged("list of arrays"), uneven=True)[:, np.newaxis]
    shown = UnevenForm(form, ndim, 8, ("a",)).of(panel)
    assert form_of(shown) == form
    again = as_array(shown, uneven=True)
    assert again.ndim == (3 if form not in ("list", "array") else ndim)
    np.testing.assert_array_equal(again.reshape(panel.shape), panel)


def test_the_transformers_that_the_error_names_exist():
    from sktime.transformations.interpolate import TSInterpolator
    from sktime.transformations.padder import PaddingTransformer
    from sktime.transformations.truncation import TruncationTransformer

    for transformer, length in (
        (TSInterpolator(6), 6),
        (PaddingTransformer(), 8),
        (TruncationTransformer(), 5),
    ):
        equal = transformer.fit_transform(ragged("nested_univ"))
        assert np.asarray(as_array(equal)).shape == (4, 1, length)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([np.zeros((2, 5)), np.zeros((3, 5))], "2 to 3 channels"),
        ([[[1, 2], [1, 2, 3]], [[1, 2], [1, 2]]], "channels that differ in length"),
        (
            pd.DataFrame({"a": [pd.Series([1.0, 2.0])] * 2, "b": [1.0, 2.0]}),
            "channels that differ in length: 2, 1",
        ),
        (pd.DataFrame({"a": [pd.Series([1.0, np.nan, 2.0])] * 2}), "NaN.*timestep 1"),
    ],
)
def test_bad_panels(quick, X, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X, [0, 1])


def with_equal_names(name):
    values = np.random.default_rng(0).normal(size=(4, 3, 6))  # 4 instances of 3 channels
    columns = ["a", "b", "a"]
    if name == "flat":
        return pd.DataFrame(values[:, :, 0], columns=columns)
    if name == "nested":
        cells = [[pd.Series(channel) for channel in instance] for instance in values]
        frame = pd.DataFrame(cells)
        frame.columns = columns
        return frame
    frames = [pd.DataFrame(instance.T, columns=columns) for instance in values]
    if name == "list of frames":
        return frames
    return pd.concat(frames, keys=range(4), names=["instance", "time"])


@pytest.mark.parametrize("name", ["flat", "nested", "long", "list of frames"])
def test_columns_that_cannot_be_told_apart_are_named(quick, name):
    with pytest.raises(PanelError) as caught:
        quick().fit(with_equal_names(name), [0, 1, 0, 1])
    assert str(caught.value) == (
        "X is a data frame with several columns named 'a'; give each column a name of its own, or "
        "pass X.to_numpy()."
    )


def in_objects(parts):
    """An object array of parts, none of which NumPy may take apart."""
    array = np.empty(len(parts), dtype=object)
    for row, part in enumerate(parts):
        array[row] = part
    return array


CONTAINERS = {
    "list": list,
    "list of lists": lambda series: [[one] for one in series],
    "tuple of tuples": lambda series: tuple((one,) for one in series),
    "object array": in_objects,
    "object array of lists": lambda series: in_objects([[one] for one in series]),
    "cells": lambda series: in_objects(series)[:, np.newaxis],
    "nested frame": lambda series: pd.DataFrame({"a": pd.Series(in_objects(series))}),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_masks_and_gradients_of_series_in_containers(toy, quick, container):
    X, _ = toy
    hold = CONTAINERS[container]
    shape = np.shape(np.asarray(as_array(hold(list(X)))))

    def check_same(series):
        np.testing.assert_array_equal(
            np.asarray(as_array(hold(series)), dtype=float), X.reshape(shape)
        )

    check_same([np.ma.masked_array(row) for row in X])
    check_same([torch.tensor(row, requires_grad=True) for row in X])
    masked = [np.ma.masked_array(row, mask=np.arange(20) == 5) for row in X]
    with pytest.raises(PanelError) as caught:
        quick(max_epochs=1).fit(hold(masked), toy[1])
    assert str(caught.value) == (
        "X has 1 masked values, but all values are needed; fill them first, for example with "
        "X.filled(0)."
    )


def test_single_numbers_may_be_tensors_but_not_masked(toy):
    X = toy[0].tolist()
    tensors = [[torch.tensor(value, requires_grad=True) for value in row] for row in X]
    np.testing.assert_allclose(as_array(tensors), X, rtol=1e-6)
    X[3][4] = np.ma.masked
    with pytest.raises(PanelError, match="^X has 1 masked values"):
        as_array(X)


TEXTS = {
    "object array": lambda X: X,
    "frame": pd.DataFrame,
    "frame of strings": lambda X: pd.DataFrame(X.astype(str)),
}


@pytest.mark.parametrize("form", TEXTS)
def test_text_is_refused(toy, quick, form):
    X = toy[0].astype(object)
    X[3, 4] = "high"
    with pytest.raises(PanelError) as caught:
        quick(max_epochs=1).fit(TEXTS[form](X), toy[1])
    assert str(caught.value) == "X holds text; expected numbers, such as X.astype(float)."


@pytest.mark.parametrize("form", [np.asarray, pd.DataFrame])
@pytest.mark.parametrize("number", [int, float, Fraction, np.float32], ids=lambda one: one.__name__)
def test_numbers_in_an_array_of_objects_are_series(toy, quick, form, number):
    X, y = np.round(2 * toy[0]), toy[1]
    expected = quick(max_epochs=1).fit(form(X), y).predict_proba(form(X))
    objects = np.empty(X.shape, dtype=object)
    for place, value in np.ndenumerate(X):
        objects[place] = number(value)
    student = quick(max_epochs=1).fit(form(objects), y)
    np.testing.assert_array_equal(student.predict_proba(form(objects)), expected)


@pytest.mark.parametrize("form", [lambda X: X, lambda X: X.astype(object), lambda X: X.tolist()])
def test_large_integers_are_exact_in_every_container(toy, quick, form):
    X = 2**60 + np.arange(240).reshape(12, 20)
    with pytest.raises(PanelError) as caught:
        quick(max_epochs=1).fit(form(X), toy[1])
    assert str(caught.value) == (
        "X varies by 69.3 in channel 0 around values of 1.15e+18, too little for float32 to tell "
        "apart; subtract the mean before fitting."
    )


@pytest.mark.parametrize("values", ["series", "one instance", "labels", "weights"])
def test_sparse_tensors_are_refused_by_name(toy, quick, values):
    X, y = map(torch.tensor, toy)
    given, name = {
        "series": ({"X": X.to_sparse(), "y": y}, "X"),
        "one instance": ({"X": [row.to_sparse() for row in X], "y": y}, "X"),
        "labels": ({"X": X, "y": y.to_sparse()}, "y"),
        "weights": ({"X": X, "y": y, "sample_weight": X[:, 0].to_sparse()}, "sample_weight"),
    }[values]
    with pytest.raises(PanelError, match=f"^{name} is a tensor that cannot be an array: "):
        quick(max_epochs=1).fit(**given)
