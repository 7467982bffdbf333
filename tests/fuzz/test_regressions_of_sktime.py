"""What fuzzing of the classifier of sktime found."""

import fractions

import numpy as np
import pandas as pd
import pytest

from tests.fuzz.labels import Colour
from tests.fuzz.oddities import FLAT_SERIES
from tests.fuzz.series import Named, values_of
from tests.fuzz.students import tiny
from tests.fuzz.test_sktime_class import fitted_pair, tiny_tsc
from tsdistill.exceptions import PanelError, PanelTypeError

HALVES = np.arange(6) % 2


def uneven(n_channels=2):
    """Series of unequal length, padded."""
    panel = values_of((6, n_channels, 12), "noise", 0)
    for i, one in enumerate(panel):
        one[:, 12 - i :] = np.nan
    return panel


def as_frames(panel, names):
    return [pd.DataFrame(one.T, columns=names).dropna() for one in panel]


@pytest.mark.parametrize("y", [HALVES, np.column_stack([HALVES, 1 - HALVES])])
@pytest.mark.parametrize("fit_on", ["padded", "named"])
def test_channels_of_uneven_series_without_names_are_those_of_any_names(fit_on, y):
    """Their numbers, which sktime is given as names, were compared with the user's names."""
    passed = {"padded": uneven(), "named": as_frames(uneven(), ["a", "b"])}
    student = tiny_tsc().fit(passed[fit_on], y)
    np.testing.assert_array_equal(
        student.predict_proba(passed["padded"]), student.predict_proba(passed["named"])
    )
    if fit_on == "named":
        with pytest.raises(PanelError, match=r"channels \['b', 'a'\], but those of fit were \['a'"):
            student.predict(as_frames(uneven(), ["b", "a"]))
    else:
        student.predict(as_frames(uneven(), ["b", "a"]))


def test_a_fit_that_fails_leaves_the_student_of_the_last_fit():
    student = tiny_tsc().fit(FLAT_SERIES, HALVES)
    proba, before = student.predict_proba(FLAT_SERIES), dict(vars(student))
    with pytest.raises(ValueError, match="X contains infinity"):
        student.fit(np.full((6, 8), np.inf), HALVES)
    assert vars(student) == before and student.is_fitted
    np.testing.assert_array_equal(student.predict_proba(FLAT_SERIES), proba)


@pytest.mark.parametrize("method", ["fit", "predict"])
def test_series_on_which_sktimes_checks_stumble_are_refused_by_name(method):
    student = tiny_tsc().fit(FLAT_SERIES, HALVES)
    given = (HALVES,) * (method == "fit")
    ask = getattr(student, method)
    with pytest.raises(TypeError, match="^X must be in an sktime compatible format"):
        ask(np.array(0.0), *given)
    with pytest.raises(PanelError, match=r"^X has values of type \|V8; expected numbers\.$"):
        ask(FLAT_SERIES.astype("V8"), *given)
    with pytest.raises(PanelError, match=r"^X=\[\] holds no series; expected one or more\.$"):
        ask([], *given)


@pytest.mark.parametrize("cell", [None, 1.0])
@pytest.mark.parametrize("make", [tiny, tiny_tsc])
def test_a_number_in_the_first_of_nested_cells_is_refused(make, cell):
    nested = pd.DataFrame({"a": [cell, *map(pd.Series, FLAT_SERIES[1:])]})
    expected = rf"^X\[0\] has {cell} in channel 0, where other cells hold series"
    with pytest.raises(PanelError, match=expected):
        make().fit(nested, HALVES)


@pytest.mark.parametrize(
    ("y", "kind", "told"),
    [
        ([None if h else "a" for h in HALVES], PanelError, "y holds labels of the types"),
        ([{"label": int(h)} for h in HALVES], PanelError, "y holds labels of the types 'dict'"),
        ([Colour.RED if h else Colour.BLUE for h in HALVES], PanelError, "of the types 'Colour'"),
        (HALVES.astype("V4"), PanelError, r"y holds values of type \|V4"),
        ([b"a" if h else b"b" for h in HALVES], (PanelError, PanelTypeError), "y cannot be used"),
        (np.column_stack([HALVES, HALVES + 0.5]), PanelError, "y cannot be used as labels: .*cont"),
    ],
)
def test_labels_that_cannot_be_classes_are_refused_by_name(y, kind, told):
    with pytest.raises(kind, match=told):
        tiny_tsc().fit(FLAT_SERIES, y)


@pytest.mark.parametrize(
    "y", [["only"] * 6, [np.nan] * 6, [fractions.Fraction(1, 3)] * 6, HALVES + 1j, HALVES[:-1]]
)
def test_labels_that_cannot_be_compared_are_named(y):
    with pytest.raises(PanelError, match="^y (cannot be compared|has shape)"):
        fitted_pair(1)[0].score(FLAT_SERIES, y)


@pytest.mark.parametrize("hold", [pd.Categorical, pd.Index, list, pd.Series])
def test_labels_and_arrays_that_sktime_does_not_know_are_taken(hold):
    expected = tiny_tsc().fit(FLAT_SERIES, HALVES)
    student = tiny_tsc().fit(FLAT_SERIES.view(Named), hold(HALVES))
    proba = student.predict_proba(FLAT_SERIES.view(Named))
    np.testing.assert_array_equal(proba, expected.predict_proba(FLAT_SERIES))
