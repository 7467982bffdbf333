"""ONNX files answer as the classifier does, without it."""

import json
import logging

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.exceptions import NotFittedError
from skorch import NeuralNetClassifier
from torch import nn

from tests.conftest import bump_teacher
from tests.export.conftest import OwnNetwork, bumps, small
from tsdistill import SaliencyDistilledClassifier, __version__
from tsdistill.exceptions import (
    ExportError,
    FolderGivenError,
    FolderMissingError,
    MissingExtraError,
    ParameterError,
)
from tsdistill.explainers.occlusion import sliding_starts
from tsdistill.export.local_windows import LocalWindows
from tsdistill.objectives import ExplanationAutoencoder
from tsdistill.perturbation.copies import replace_windows
from tsdistill.students import FCN, GRU, Lite


@pytest.fixture
def session(tmp_path):
    """Exports a classifier and opens the file."""

    def exported(classifier, **settings):
        path = tmp_path / "student.onnx"
        classifier.to_onnx(path, **settings)
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    return exported


def assert_answers(session, classifier, X):
    (proba,) = session.run(None, {"series": X})
    np.testing.assert_allclose(proba, classifier.predict_proba(X), atol=1e-5)


def assert_maps(session, classifier, X, fill="opposing"):
    n = len(X)
    for target in (np.full(n, -1), np.arange(n) % len(classifier.classes_)):
        labels = None if target[0] == -1 else classifier.classes_[target]
        proba, maps = session.run(["proba", "saliency"], {"series": X, "target": target})
        np.testing.assert_allclose(proba, classifier.predict_proba(X), atol=1e-5)
        expected = classifier.explain(X, target=labels, fill=fill)
        np.testing.assert_allclose(maps, expected, atol=1e-4)


STUDENTS = ["lite", "inception", "fcn", "resnet", "gru", Lite(2, (9, 5), pool=3, bottleneck=2)]
OFTEN = [("lite", 1), ("inception", 3), ("gru", 3)]  # others of these exports are tried weekly


ALL = [
    pytest.param(student, n, marks=[] if (student, n) in OFTEN else pytest.mark.weekly)
    for student in STUDENTS
    for n in (1, 3)
]


@pytest.mark.slow
@pytest.mark.parametrize(("student", "n_channels"), ALL)
def test_answers_and_maps_are_those_of_the_classifier(student, n_channels, session):
    classifier = small(student, n_channels, n_timepoints=41)
    X = bumps(n_channels, 41)[0]
    if n_channels == 1:
        answering = session(classifier)
        for n in (1, 2, 12):  # any number of series
            assert_answers(answering, classifier, X[:n])
    explaining = session(classifier, explain=True)
    for n in (1, 5):
        assert_maps(explaining, classifier, X[:n])


@pytest.mark.parametrize(
    "fill",
    ["opposing", *(pytest.param(fill, marks=pytest.mark.weekly) for fill in ("mean", "zero"))],
)
def test_maps_of_long_series_are_computed_where_a_window_reaches(fill, session, fitted):
    classifier = small(FCN(n_filters=2), 2, n_timepoints=80, labels=["a", "b", "c"])
    assert_maps(session(classifier, explain=True, fill=fill), classifier, bumps(2, 80)[0][:3], fill)


@pytest.mark.parametrize("student", [Lite(2, (5, 3)), Lite(1, (9,), stride=3), FCN(2, (3, 7, 1))])
@pytest.mark.parametrize("width", [1, 4, 7, 30])
def test_windows_at_fixed_places_equal_the_whole_network(student, width):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = student.build(2, 30, 3).eval()
    series, donors = torch.randn(2, 2, 30), torch.randn(2, 4, 2, 30)
    starts = sliding_starts(30, width)
    local = LocalWindows(network, starts, width, 30)
    with torch.no_grad():
        found = local(series, donors)
        for i in range(2):
            for m, start in enumerate(starts):
                for d in range(4):
                    copy = replace_windows(series[i], donors[i, d], torch.tensor(start), width)
                    expected = network(copy[None])[0]
                    torch.testing.assert_close(found[i, m, d], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_the_layers_of_an_autoencoder_are_exported_too(session):
    auxiliary = ExplanationAutoencoder(n_questions=200, n_filters=3)
    classifier = small(auxiliary=auxiliary, n_mixtures=0)
    X = bumps()[0]
    assert_answers(session(classifier), classifier, X)
    assert_maps(session(classifier, explain=True), classifier, X[:3])


def test_a_student_that_gives_probabilities_gets_no_second_softmax(session):
    class Proba(OwnNetwork):
        def forward(self, x):
            return super().forward(x).softmax(1)

    net = NeuralNetClassifier(Proba(1, 20, 3), criterion=nn.NLLLoss, lr=0.1, max_epochs=2)
    classifier = small(net)
    X = bumps()[0]
    assert_answers(session(classifier), classifier, X)
    assert_maps(session(classifier, explain=True), classifier, X[:3])


@pytest.mark.parametrize("student", ["lite", "inception", GRU(4, n_layers=2, bidirectional=True)])
def test_weights_of_a_quantised_student_are_whole_numbers_in_the_file(student, session, tmp_path):
    classifier = small(student, n_channels=2)
    X = bumps(2)[0]
    session(classifier)
    size = (tmp_path / "student.onnx").stat().st_size
    quantised = classifier.quantised()
    assert_answers(session(quantised), quantised, X)
    model = onnx.load(tmp_path / "student.onnx")
    whole = sum(np.prod(w.dims) for w in model.graph.initializer if w.data_type == 3)
    if not isinstance(student, GRU):
        assert (tmp_path / "student.onnx").stat().st_size < 0.6 * size
        assert whole > 0.9 * quantised.student_.module_._tsdistill_rounding.n_bytes * 0.8
    assert {p.key: p.value for p in model.metadata_props}["bits"] == "8"


@pytest.mark.slow
@pytest.mark.parametrize("student", ["gru", "resnet"])
def test_maps_of_few_bits_are_those_of_the_rounded_student(student, session):
    quantised = small(student, 3, 24).quantised(2)
    assert_maps(session(quantised, explain=True), quantised, bumps(3, 24)[0][:4])


def test_a_student_of_another_dtype_ends_in_a_named_error(tmp_path):
    halved = small()
    halved.student_.module_.half()
    with pytest.raises(ExportError):
        halved.to_onnx(tmp_path / "student.onnx")
    assert not list(tmp_path.iterdir())


def test_the_file_says_what_is_in_it_and_nothing_of_this_machine(session, tmp_path):
    classifier = small(labels=["früh", "b", "c"])
    report = classifier.fidelity_report(bumps()[0], n_explained=2)
    opened = session(classifier, explain=True, fill="mean", report=report)
    shapes = {one.name: one.shape for one in (*opened.get_inputs(), *opened.get_outputs())}
    assert shapes == {
        "series": ["n_instances", 1, 20], "target": ["n_instances"],
        "proba": ["n_instances", 3], "saliency": ["n_instances", 20],
    }  # fmt: skip
    model = onnx.load(tmp_path / "student.onnx")
    about = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(about["classes"]) == ["b", "c", "früh"]
    assert (about["n_channels"], about["n_timepoints"], about["window"]) == ("1", "20", "2")
    assert (model.producer_name, model.producer_version) == ("tsdistill", __version__)
    assert about["fill"] == "mean" and float(about["agreement"]) == report.agreement
    assert [one.version for one in model.opset_import if one.domain == ""] == [20]
    assert [one.name for one in model.graph.output] == ["proba", "saliency"]
    content = (tmp_path / "student.onnx").read_bytes()
    for trace in (b".py", b"/tsdistill", b"site-packages", b"stack_trace"):
        assert trace not in content


def test_the_classifier_the_log_and_the_random_states_stay_as_they_were(session, capsys, caplog):
    classifier = small("gru")
    before = classifier.predict_proba(bumps()[0])
    states = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    with caplog.at_level(logging.INFO):
        session(classifier)
    assert (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == states
    np.testing.assert_array_equal(classifier.predict_proba(bumps()[0]), before)
    assert capsys.readouterr().out == "" and not caplog.records
    assert logging.root.manager.disable == 0


def test_files_are_the_same_under_autocast_and_another_default_dtype(tmp_path):
    classifier = small("lite")
    classifier.to_onnx(tmp_path / "plain")
    torch.set_default_dtype(torch.float64)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            classifier.to_onnx(tmp_path / "other")
    finally:
        torch.set_default_dtype(torch.float32)
    assert (tmp_path / "other").read_bytes() == (tmp_path / "plain").read_bytes()


def test_bad_input_is_said(fitted, tmp_path, monkeypatch):
    path = tmp_path / "student.onnx"
    with pytest.raises(NotFittedError):
        SaliencyDistilledClassifier(bump_teacher).to_onnx(path)
    with pytest.raises(FolderMissingError):
        fitted.to_onnx(tmp_path / "no" / "student.onnx")
    with pytest.raises(FolderGivenError):
        fitted.to_onnx(tmp_path)
    with pytest.raises(ParameterError, match="fill='noise'; expected one of 'opposing'"):
        fitted.to_onnx(path, fill="noise")
    with pytest.raises(ParameterError, match="explain='yes'"):
        fitted.to_onnx(path, explain="yes")
    with pytest.raises(ParameterError, match="report=3; expected a FidelityReport"):
        fitted.to_onnx(path, report=3)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"onnxruntime.*pip install 'tsdistill\[onnx\]'"):
        fitted.to_onnx(path)
    assert not list(tmp_path.iterdir())


class Branching(OwnNetwork):
    """A module whose Python depends on values."""

    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(2 * x)


def test_a_module_that_torch_cannot_export_is_said(tmp_path):
    path = tmp_path / "student.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ExportError, match="torch cannot export the student Branching to ONNX"):
        small(Branching).to_onnx(path)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1
