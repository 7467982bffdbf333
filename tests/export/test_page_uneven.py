"""Pages of students of series of unequal length, or with gaps."""

import json
import re

import numpy as np
import pytest

from tests.estimators import test_missing, test_uneven
from tests.export.conftest import needs_browser, needs_node
from tests.export.test_c_uneven import Flattened
from tsdistill.exceptions import ExportError
from tsdistill.students import FCN, GRU, STUDENTS, Lite

STUDENTS_OF_TESTS = [
    *STUDENTS, Lite(2, (5, 3), stride=3, pool=3, bottleneck=1),
    GRU(4, n_layers=2, bidirectional=True),
]  # fmt: skip


@needs_node
@pytest.mark.parametrize("n_channels", [None, 2])
@pytest.mark.parametrize("student", STUDENTS_OF_TESTS, ids=str)
def test_series_of_any_length_get_answers_and_maps_of_the_classifier(
    student, n_channels, page, in_javascript
):
    X, new = (test_uneven.bumps(n, 0, n_channels)[0] for n in (16, 20))
    classifier = test_uneven.quick(student=student, max_epochs=10).fit(X)
    for fill in ("opposing", "mean"):
        path = page(classifier, new, fill=fill)
        proba = in_javascript(path, "Student.given().map(x => Student.predict(x))")
        n = len(proba)
        assert n >= 3
        np.testing.assert_allclose(proba, classifier.predict_proba(new)[:n], atol=1e-4)
        maps = in_javascript(path, "Student.given().slice(0, 6).map(x => Student.explain(x, 1))")
        expected = classifier.explain(new[:6], target="late", fill=fill)
        for found, one, series in zip(maps, expected, new, strict=False):
            assert len(found) == series.shape[-1]
            np.testing.assert_allclose(found, one[: len(found)], atol=1e-4)


@needs_node
@pytest.mark.parametrize("n_channels", [None, 2])
@pytest.mark.parametrize("student", STUDENTS_OF_TESTS, ids=str)
def test_series_with_gaps_get_answers_and_maps_of_the_classifier(
    student, n_channels, page, in_javascript
):
    classifier = test_missing.quick(student=student, max_epochs=10).fit(
        test_missing.bumps(16, 0, n_channels=n_channels)[0]
    )
    new, _ = test_missing.bumps(6, 1, n_channels=n_channels)
    new[0, ..., :7], new[1, ..., 1:-1], new[2, ..., 33:] = np.nan, np.nan, np.nan
    new[2, ..., 32] = 0.5
    if n_channels:
        new[3, 1, 34:] = np.nan  # while the other channel goes on
    path = page(classifier, new)
    proba = in_javascript(path, "Student.given().map(x => Student.predict(x))")
    np.testing.assert_allclose(proba, classifier.predict_proba(new)[: len(proba)], atol=1e-4)
    maps = in_javascript(path, "Student.given().map(x => Student.explain(x, 0))")
    for found, one in zip(maps, classifier.explain(new, target="early"), strict=False):
        np.testing.assert_allclose(found, one[~np.isnan(one)], atol=1e-4)


READ = """(() => { try { return Student.read(%s).map(x => Array.from(x).map(
    v => Number.isNaN(v) ? null : v)); } catch (error) { return error.message; } })()"""


@needs_node
def test_csv_of_any_length_is_read(page, in_javascript):
    classifier = test_uneven.quick(student=FCN(2)).fit(test_uneven.bumps(16, 0, 2)[0])
    _, longest = classifier._series_lengths
    path = page(classifier)

    def read(*lengths):
        lines = "\\n".join(",".join(["1"] * n) for n in lengths)
        return in_javascript(path, READ % f'"{lines}"')

    assert [len(one) for one in read(20, 20, longest, longest, 2, 2)] == [
        40, 2 * longest, 4
    ]  # fmt: skip
    assert f"has {longest + 1} numbers; expected 2 to {longest}" in read(20, longest + 1)
    assert "Line 1 has 1 numbers" in read(1, 1)
    assert "Line 4 has 21 numbers; expected 20, as the other channels" in read(20, 20, 20, 21)
    assert "expected a finite number" in in_javascript(path, READ % f'"{"NaN," * 20}1"')


@needs_node
def test_csv_with_gaps_is_read(page, in_javascript):
    path = page(test_missing.quick(student=FCN(2)).fit(test_missing.bumps(16, 0)[0]))
    assert in_javascript(path, READ % '"1,,NaN,?,4,,"') == [[1, None, None, None, 4]]
    assert in_javascript(path, READ % '"\\t1\\t\\t3"') == [[None, 1, None, 3]]
    assert "ends after 1 numbers" in in_javascript(path, READ % '"1,,NaN"')
    assert "number 2 is “x”" in in_javascript(path, READ % '"1,x,2"')
    assert "Line 2 has no number" in in_javascript(path, READ % '"1,2\\n,NaN"')


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("kind", [test_uneven, test_missing])
def test_in_a_browser(kind, page, in_browser):
    classifier = kind.quick(max_epochs=20).fit(kind.bumps(16, 0)[0])
    new = kind.bumps(6, 1)[0]
    shown = in_browser(page(classifier, new), 2)
    rows = re.search(r'<tbody id="proba">(.*?)</tbody>', shown, flags=re.DOTALL)[1]
    values = np.array(re.findall(r'data-value="([^"]+)"', rows), dtype=float)[::2]
    np.testing.assert_allclose(values, classifier.predict_proba(new[2:3])[0], atol=1e-4)
    found = json.loads(re.search(r'data-map="\[([^"]*)\]"', shown)[0][10:-1])
    expected = classifier.explain(new[2:3])[0]
    np.testing.assert_allclose(found, expected[~np.isnan(expected)], atol=1e-4)
    known = ~np.isnan(new[2])
    assert shown.count("<polyline") == (known[1:] & known[:-1]).sum()  # none over a gap


def test_a_layer_over_all_timesteps_is_refused(page):
    X, _ = test_missing.bumps(16, 0)
    with pytest.raises(ExportError, match="linear layer over time"):
        page(test_missing.quick(student=Flattened()).fit(np.nan_to_num(X)))
