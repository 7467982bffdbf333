import numpy as np
import pandas as pd
import pytest
from sktime.datatypes import convert_to

from tsdistill.exceptions import PanelError
from tsdistill.formats import as_array


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
    if name == "nested_univ":
        return pd.DataFrame({"a": [pd.Series(one) for one in series]})
    return pd.concat(frames, keys=range(4), names=["instance", "time"])


@pytest.mark.parametrize(
    "name",
    ["list of arrays", "list of lists", "list of 2-D arrays", "object array", "df-list",
     "nested_univ", "pd-multiindex"],
)  # fmt: skip
def test_unequal_length_names_the_transformers(quick, name):
    names = "PaddingTransformer.*TruncationTransformer.*TSInterpolator"
    with pytest.raises(PanelError, match=rf"of 5 to 8 timepoints.*{names}"):
        quick().fit(ragged(name), [0, 1, 0, 1])


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
        ([[[1, 2], [1, 2, 3]], [[1, 2], [1, 2]]], "channels differ in length"),
        (
            pd.DataFrame({"a": [pd.Series([1.0, 2.0])] * 2, "b": [1.0, 2.0]}),
            "1 to 2 timepoints",
        ),
        (pd.DataFrame({"a": [pd.Series([1.0, np.nan])] * 2}), "NaN"),
    ],
)
def test_bad_panels(quick, X, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X, [0, 1])
