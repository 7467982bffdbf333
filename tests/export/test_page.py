"""The page answers and explains in JavaScript as the classifier does in Python."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from tests.conftest import bump_teacher
from tests.export.conftest import OwnNetwork, bumps, needs_browser, needs_node, small
from tests.export.test_c_uneven import EvenKernels
from tsdistill import SaliencyDistilledClassifier
from tsdistill._version import __version__
from tsdistill.exceptions import ExportError, FolderMissingError, ParameterError
from tsdistill.export.page import page_of
from tsdistill.inputs.forms import UnevenForm
from tsdistill.objectives import ExplanationAutoencoder
from tsdistill.perturbation.baselines import Baselines
from tsdistill.students import GRU, Inception, Lite

STUDENTS = [
    "lite", "inception", "fcn", "resnet", "gru",
    Lite(2, (9, 5), stride=3), Lite(2, (9, 5), pool=3, bottleneck=2),
    Inception(2, n_blocks=4, kernel_sizes=(5, 3)),
    GRU(4, n_layers=2, bidirectional=True),
]  # fmt: skip


@needs_node
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("student", STUDENTS, ids=str)
def test_answers_and_maps_are_those_of_the_classifier(student, n_channels, page, in_javascript):
    classifier = small(student, n_channels, n_timepoints=41)
    X = bumps(n_channels, 41)[0]
    for one in (classifier, classifier.quantised()):
        path = page(one, X)
        proba = in_javascript(path, "Student.given().map(x => Student.predict(x))")
        n = len(proba)
        assert n >= 3
        np.testing.assert_allclose(proba, one.predict_proba(X[:n]), atol=1e-4)
    for fill in ("opposing", "mean"):
        path = page(classifier, X, fill=fill)
        maps = in_javascript(path, "Student.given().slice(0, 3).map(x => Student.explain(x, 1))")
        expected = classifier.explain(X[:3], target=1, fill=fill)
        np.testing.assert_allclose(maps, expected, atol=1e-4)


@needs_node
def test_without_a_stretch_is_the_mean_over_the_donors(page, in_javascript, fitted):
    X = bumps()[0]
    path = page(fitted, X)
    found = in_javascript(path, "Student.without(Student.given()[0], 2, 5, 9)")
    donors, rows = fitted._baselines.opposing(3)
    copies = np.repeat(X[:1], rows.shape[1], axis=0)
    copies[:, :, 5:9] = donors[rows[2]][:, :, 5:9]
    np.testing.assert_allclose(found, fitted.predict_proba(copies).mean(axis=0), atol=1e-4)


@needs_node
def test_an_autoencoder_is_written_too(page, in_javascript):
    auxiliary = ExplanationAutoencoder(n_questions=200, n_filters=3)
    classifier = small(auxiliary=auxiliary, n_mixtures=0)
    proba = in_javascript(page(classifier), "Student.given().map(x => Student.predict(x))")
    expected = classifier.predict_proba(classifier._baselines.series[: len(proba)])
    np.testing.assert_allclose(proba, expected, atol=1e-4)


@needs_node
def test_even_kernels_of_the_users_module_see_as_far_as_in_torch(page, in_javascript):
    classifier = small(EvenKernels, 2)
    X = bumps(2)[0]
    proba = in_javascript(page(classifier, X), "Student.given().map(x => Student.predict(x))")
    np.testing.assert_allclose(proba, classifier.predict_proba(X)[: len(proba)], atol=1e-4)


@needs_node
def test_csv_is_read_or_refused_with_the_place(page, in_javascript):
    path = page(small(n_channels=2))
    X = bumps(2)[0][:2]
    lines = [", ".join(map(repr, row.tolist())) for one in X for row in one]
    for text in ("\n".join(lines), "# a comment\r\n" + "\r\n\r\n".join(lines) + ",\n"):
        read = in_javascript(path, f"Student.read({json.dumps(text)}).map(x => Array.from(x))")
        np.testing.assert_allclose(np.reshape(read, X.shape), X, rtol=1e-6)
    tabs = "\n".join(line.replace(", ", "\t") for line in lines)
    assert len(in_javascript(path, f"Student.read({json.dumps(tabs)})")) == 2
    for text, message in (
        ("", "There are no numbers."),
        ("1,2,3", "Line 1 has 3 numbers; expected 20, one for each timestep."),
        ("\n".join(lines[:3]), "There are 3 lines; expected 2 for each series, one a channel."),
        (lines[0] + "\n" + lines[1].replace(", ", ", NaN, ", 1), "Line 2 has 21 numbers"),
        (lines[0] + "\n" + ", ".join(["1"] * 19 + ["NaN"]), "Line 2, number 20 is “NaN”"),
        (", ".join(["1", ""] + ["1"] * 18), "Line 1, number 2 is “”; expected a finite number."),
        (", ".join(["1e60"] * 20), "Line 1, number 1 is “1e60”; expected a finite number."),
        (", ".join(["one"] * 20), "Line 1, number 1 is “one”"),
    ):
        told = in_javascript(
            path,
            f"(() => {{ try {{ Student.read({json.dumps(text)}); }} "
            "catch (error) { return error.message; } })()",
        )
        assert told.startswith(message), told


def test_pages_need_nothing_else_and_are_small(page):
    classifier = small("lite", n_timepoints=150)
    path = page(classifier, bumps(1, 150)[0])
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 100_000
    for elsewhere in ("http://", "https://", "src=", "@import", "url(", "fetch(", "XMLHttp"):
        assert elsewhere not in text.replace("http://www.w3.org/2000/svg", "")
    assert "$MODEL$" not in text and "$TITLE$" not in text


def test_a_label_that_looks_like_a_place_of_the_page_stays_a_label(page):
    text = page(small(labels=["$MODEL$", "$TITLE$", "c"])).read_text(encoding="utf-8")
    assert "<title>Which class is this series: $MODEL$, $TITLE$, c?</title>" in text


def test_labels_cannot_end_the_script(page):
    odd = ["</script><script>alert(1)</script>", "<b>", "\u2028ü&"]
    text = page(small(labels=odd)).read_text(encoding="utf-8")
    assert text.count("</script>") == 3 and "alert(1)" in text and "<b>" not in text


def test_what_does_not_fit_is_said(page, fitted, tmp_path):
    with pytest.raises(NotFittedError):
        page(SaliencyDistilledClassifier(bump_teacher))
    with pytest.raises(FolderMissingError):
        fitted.to_html(tmp_path / "no" / "page.html")
    with pytest.raises(ParameterError, match="fill='noise'"):
        page(fitted, fill="noise")
    with pytest.raises(ValueError, match="timepoints"):
        page(fitted, bumps(1, 30)[0])
    with pytest.raises(ExportError, match="neither in C nor in JavaScript"):
        page(small(OwnNetwork))
    assert not list(tmp_path.iterdir())


def test_many_donors_give_way_to_means(page):
    classifier = small(n_channels=6, n_timepoints=150, labels=["a", "b", "c"])
    text = page(classifier).read_text(encoding="utf-8")
    assert "the mean of the channel takes its place" in text
    assert page(classifier).stat().st_size < 100_000


def model_in(text):
    """The constant of a page that holds all it knows."""
    return json.loads(re.search(r"const MODEL = (.*);", text)[1])


def test_a_page_shows_as_many_series_as_100_kb_hold(fitted):
    model, X = fitted._fitted_student(), np.tile(bumps()[0], (80, 1, 1))
    text = page_of(model, X)
    n = len(model_in(text)["lengths"])
    assert n < len(X)
    assert 100_000 - 500 - 2 * len("AAAA" * 27 + "20,") < len(text.encode()) < 100_000
    assert model_in(page_of(model, X[:5]))["lengths"] == [20] * 5


def test_a_page_of_long_series_shows_three(fitted):
    model = fitted._fitted_student()
    for n, expected in ((5, 3), (3, 3), (2, 2), (1, 1)):
        assert (
            model_in(page_of(model, np.ones((n, 1, 30_000), np.float32)))["lengths"]
            == [30_000] * expected
        )


@pytest.mark.parametrize(("n_timepoints", "fill"), [(375, "opposing"), (376, "mean")])
def test_series_of_other_classes_take_30_kb_at_most(n_timepoints, fill, fitted):
    baselines = Baselines(  # 15 series of 375 float32 are 30,000 characters
        np.zeros((15, 1, n_timepoints), np.float32), np.arange(15) % 3,
        np.ones((1, 1, n_timepoints), np.float32),
    )  # fmt: skip
    text = page_of(replace(fitted._fitted_student(), baselines=baselines), bumps()[0])
    shown = {"opposing": "that stretch of series of other classes", "mean": "the mean of the"}
    assert f"when {shown[fill]}" in model_in(text)["about"]
    assert len(model_in(text)["donor_lengths"]) == (15 if fill == "opposing" else 1)


@pytest.mark.parametrize(
    ("classes", "title", "labels"),
    [
        (np.array([1, 2]), "1, 2?", ["1", "2"]),
        (np.array(["a", "b", "c", "d" * 41]), f"a, b, c, {'d' * 40}?", ["a", "b", "c", "d" * 41]),
        (np.arange(5), "0, 1, 2, 3, ...?", list("01234")),
        (np.array([b"a\xff", b"<"]), "a\ufffd, &lt;?", ["a\ufffd", "<"]),
        (np.array(["\ud800", "b"], dtype=object), "?, b?", ["?", "b"]),
        (np.array(["a\x00b", "\x07"]), "a\ufffdb, \ufffd?", ["a\x00b", "\x07"]),
    ],
)
def test_the_title_names_the_first_classes(classes, title, labels, fitted):
    model = replace(fitted._fitted_student(), classes=classes)
    text = page_of(model, bumps()[0][:1], "zero")
    assert f"<title>Which class is this series: {title}</title>" in text
    found = model_in(text)
    assert found["classes"] == labels
    assert f"tells {len(labels)} classes of series of 20 timesteps apart" in found["about"]
    assert "when zero takes its place" in found["about"]


def test_the_page_names_channels_lengths_and_windows(fitted):
    model = small(n_channels=2)._fitted_student()
    given = model_in(page_of(model, bumps(2)[0][:1]))
    assert given["channels"] == ["0", "1"] and "series of 2 x 20 timesteps" in given["about"]
    assert (given["fewest"], given["most"], given["gaps"]) == (20, 20, False)
    assert (given["width"], given["share"]) == (2, None)
    assert "A stretch is 2 timesteps." in given["details"]
    assert f"Written by tsdistill {__version__}." in given["details"]
    uneven = replace(
        model, channels=["x", 3], uneven=UnevenForm("list", 3, 20, ()), lengths=(15, 20),
        width=0.12345,
    )  # fmt: skip
    given = model_in(page_of(uneven, bumps(2)[0][:1]))
    assert given["channels"] == ["x", "3"] and "series of 2 x 2 to 20 timesteps" in given["about"]
    assert (given["fewest"], given["most"], given["gaps"]) == (2, 20, False)
    assert (given["width"], given["share"]) == (None, 0.12345)
    assert "A stretch is 0.123 of the timesteps of a series." in given["details"]
    gaps = replace(uneven, uneven=UnevenForm("array", 3, 20, (), gaps=True))
    with pytest.raises(ExportError, match="does not fill the gaps"):
        page_of(gaps, bumps(2)[0][:1])


@pytest.mark.slow
@needs_browser
def test_in_a_browser(page, in_browser):
    labels = ["früh", "b", "c"]
    classifier = small("lite", 2, labels=labels)
    X = bumps(2)[0]
    path = page(classifier, X)
    for number in (0, 2):
        shown = in_browser(path, number)
        rows = re.search(r'<tbody id="proba">(.*?)</tbody>', shown, flags=re.DOTALL)[1]
        values = np.array(re.findall(r'data-value="([^"]+)"', rows), dtype=float)[::2]
        expected = classifier.predict_proba(X[number : number + 1])[0]
        np.testing.assert_allclose(values, expected, atol=1e-4)
        assert re.findall(r"<th[^>]*>([^<]+)</th>", rows) == classifier.classes_.tolist()
        found = json.loads(re.search(r'data-map="\[([^"]*)\]"', shown)[0][10:-1])
        np.testing.assert_allclose(found, classifier.explain(X[number : number + 1])[0], atol=1e-4)
        assert shown.count("<polyline") >= 2 * 19
        assert re.search(r'<p id="error"[^>]*></p>', shown)
