"""Files and exports of arbitrary tiny students: they answer as the classifier, or are refused.

A student is made and written some hundred times. A C compiler and ONNX take seconds for each, so
each of them is given a handful.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.export.test_c import MAIN, STRICT
from tests.fuzz.cases import fewer
from tests.fuzz.of_series import proba_of, series_of
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import ExportError
from tsdistill.export.c import program_of_model
from tsdistill.export.running import run
from tsdistill.students import FCN, GRU, Inception, Lite, ResNet

COMPILER = shutil.which("cc")
odd = st.sampled_from((1, 3, 5, 7))
ODD_TEXTS = ("", "\n", '"', "'", "\\", "\x00", "a\x00", "ü", "😀", "*/", "??/", "</script>", "%s",
             "{{", "x" * 3000, "\u2028", " ", "nan")  # fmt: skip


@st.composite
def students(draw):
    """One of the five students, with settings of its own."""
    lengths = draw(st.lists(odd, min_size=1, max_size=2))
    kind = draw(st.sampled_from((Lite, Inception, FCN, ResNet, GRU)))
    n = draw(st.integers(1, 3))
    if kind is Lite:
        return Lite(
            n, lengths, stride=draw(st.sampled_from((None, 1, 2))),
            dilation=draw(st.integers(1, 4)), pool=draw(st.sampled_from((None, 1, 3))),
            bottleneck=draw(st.sampled_from((None, 1, 2))),
        )  # fmt: skip
    if kind is Inception:
        return Inception(n, draw(st.integers(1, 4)), lengths)
    if kind is GRU:
        return GRU(n, draw(st.integers(1, 2)), draw(st.booleans()))
    three = tuple(draw(st.lists(odd, min_size=3, max_size=3)))
    return FCN(n, three) if kind is FCN else ResNet(n, draw(st.integers(1, 2)), three)


@st.composite
def labels(draw, least=2, most=4):
    """Different labels of one type; NumPy's texts cannot end in NUL, so none of them does."""
    element = draw(
        st.sampled_from(
            (
                st.sampled_from(ODD_TEXTS),
                st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
                st.integers(-(2**40), 2**40),
                st.sampled_from((-0.0, 1.0, 1e15, -3.0)),
                st.booleans(),
            )
        )
    )
    found = draw(st.lists(element, min_size=least, max_size=most, unique=True))
    array = np.unique(np.array(found))
    return array.astype(object) if draw(st.booleans()) and array.dtype.kind == "U" else array


@st.composite
def classifiers(draw):
    """A fitted classifier and series for it."""
    classes = draw(labels())
    if len(classes) < 2:  # two texts that differ by a NUL at the end alone
        classes = np.array(["a", "b"])
    n_channels, n_timepoints = draw(st.integers(0, 3)), draw(st.integers(8, 24))
    X = series_of(2 * len(classes), n_channels, n_timepoints, draw(st.integers(0, 99)))
    y = classes[np.arange(len(X)) % len(classes)]

    teacher = Teacher(lambda series: proba_of(series, len(classes)), classes=classes.tolist())
    model = SaliencyDistilledClassifier(
        teacher, draw(students()), max_epochs=1, n_windows=1, n_mixtures=0, random_state=0
    )
    model.fit(X.astype(draw(st.sampled_from((np.float32, np.float64)))), y)
    bits = draw(st.sampled_from((None, None, 2, 8)))
    return (model if bits is None else model.quantised(bits)), X


def panel_of(X):
    """Series as an export takes them, (n, n_channels, n_timepoints)."""
    return np.ascontiguousarray(X if X.ndim == 3 else X[:, None], dtype=np.float32)


@fewer(0.15)
@given(classifiers())
def test_a_file_answers_as_the_classifier_does(found):
    model, X = found
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "saved")
        model.save(path)
        loaded = SaliencyDistilledClassifier.load(path)
        loaded.save(os.path.join(folder, "again"))
        twice = SaliencyDistilledClassifier.load(os.path.join(folder, "again"))
    for other in (loaded, twice):
        assert other.classes_.dtype == model.classes_.dtype
        assert other.classes_.tolist() == model.classes_.tolist()
        np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        np.testing.assert_array_equal(other.explain(X), model.explain(X))
        assert other.n_bits_ == model.n_bits_


@fewer(0.1)
@given(classifiers())
def test_the_steps_that_c_and_pages_run_answer_as_the_classifier_does(found):
    model, X = found
    program = program_of_model(model._fitted_student())
    expected = model.predict_proba(X)
    for row, series in enumerate(panel_of(X)):
        logits = np.asarray(run(program, series), dtype=float).ravel()
        proba = np.exp(logits - logits.max())
        np.testing.assert_allclose(proba / proba.sum(), expected[row], atol=1e-5)


@fewer(0.05)
@given(classifiers())
def test_sources_of_c_and_pages_hold_no_label_as_it_is(found):
    model, X = found
    with tempfile.TemporaryDirectory() as folder:
        source, page = Path(folder, "student.c"), Path(folder, "student.html")
        model.to_c(source)
        model.to_html(page, X)
        text, html = source.read_text(encoding="ascii"), page.read_text(encoding="utf-8")
    assert text.split("#include")[0].count("*/") == 1 and "??" not in text
    assert html.lower().count("<script") == html.lower().count("</script")
    assert html.lower().count("</script") == page_of_plain_labels()
    assert "\x00" not in text + html


def page_of_plain_labels():
    """How many scripts a page has whose labels are harmless."""
    X = series_of(4, 0, 10, 0)
    teacher = Teacher(lambda series: proba_of(series, 2), classes=[0, 1])
    model = SaliencyDistilledClassifier(
        teacher, FCN(1, (3, 3, 3)), max_epochs=1, n_windows=1, n_mixtures=0, random_state=0
    ).fit(X)
    with tempfile.TemporaryDirectory() as folder:
        model.to_html(Path(folder, "page.html"))
        return Path(folder, "page.html").read_text(encoding="utf-8").lower().count("</script")


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
@fewer(0.01)
@given(classifiers())
def test_c_answers_as_the_classifier_does(found):
    model, X = found
    with tempfile.TemporaryDirectory() as folder:
        model.to_c(Path(folder, "student.c"))
        Path(folder, "main.c").write_text(MAIN)
        command = [COMPILER, *STRICT, "-o", "main", "main.c", "-lm"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        asked = [Path(folder, "main")]
        shown = subprocess.run(asked, input=panel_of(X).tobytes(), capture_output=True, check=True)
    numbers = [line.split(b" ") for line in shown.stdout.split(b"\n") if line.count(b" ") > 1]
    proba = np.array([row[-len(model.classes_) :] for row in numbers], dtype=float)
    np.testing.assert_allclose(proba, model.predict_proba(X), atol=1e-5)


@pytest.mark.slow
@fewer(0.005)
@given(classifiers())
def test_onnx_answers_as_the_classifier_does(found):
    onnxruntime = pytest.importorskip("onnxruntime")
    model, X = found
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "student.onnx")
        try:
            model.to_onnx(path)
        except ExportError as error:
            assert "cannot" in str(error)
            return
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (proba,) = session.run(None, {"series": panel_of(X)})
    np.testing.assert_allclose(proba, model.predict_proba(X), atol=1e-5)
