"""The networks that ONNX files hold answer and explain as the classifier does, in torch already."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from torch import nn

from tests.estimators import test_missing, test_uneven
from tests.export.conftest import OwnNetwork, bumps, small
from tsdistill.exceptions import ExportError, ParameterError
from tsdistill.explainers.occlusion import sliding_starts
from tsdistill.export.fitted import measures_of
from tsdistill.export.local_windows import LocalWindows
from tsdistill.export.onnx import _describe, _first_line, _lengths_tried, _try
from tsdistill.export.onnx_networks import network_of
from tsdistill.inputs.lengths import lengths_of, padded
from tsdistill.students import FCN, Lite


class Proba(OwnNetwork):
    """A module that answers with probabilities, of which some are 0."""

    def forward(self, x):
        return (20 * super().forward(x)).softmax(1)


def of_probabilities():
    return NeuralNetClassifier(Proba(1, 20, 3), criterion=nn.NLLLoss, lr=0.1, max_epochs=2)


def answers(classifier, *given, explain=True, fill="opposing"):
    network = network_of(classifier._fitted_student(), explain, fill).eval()
    with torch.no_grad():
        found = network(*(torch.as_tensor(one) for one in given))
    return [one.numpy() for one in found] if explain else found.numpy()


@pytest.mark.parametrize("fill", ["opposing", "mean", "zero"])
@pytest.mark.parametrize(
    "student", [FCN(2), "lite", of_probabilities], ids=["fcn", "lite", "probabilities"]
)
def test_answers_and_maps_are_those_of_the_classifier(student, fill):
    n_timepoints = 80 if isinstance(student, FCN) else 20  # computed where a window reaches
    student = student() if student is of_probabilities else student
    classifier = small(student, n_timepoints=n_timepoints, labels=["c", "a", "b"])
    X = bumps(1, n_timepoints)[0][:5]
    for target in (np.full(5, -1), np.array([0, 1, 2, 0, -1])):
        proba, maps = answers(classifier, X, target, fill=fill)
        np.testing.assert_allclose(proba, classifier.predict_proba(X), atol=1e-5)
        labels = np.where(target < 0, classifier.predict(X), classifier.classes_[target])
        expected = classifier.explain(X, target=labels, fill=fill)
        np.testing.assert_allclose(maps, expected, atol=1e-4)
    np.testing.assert_allclose(answers(classifier, X, explain=False), proba, atol=1e-6)


@pytest.mark.parametrize("width", [1, 5, 0.3])
@pytest.mark.parametrize("kind", [test_uneven, test_missing])
def test_series_that_end_anywhere_get_answers_and_maps_of_the_classifier(kind, width):
    student = Lite(n_filters=2, kernel_sizes=(5, 3), stride=3)
    classifier = kind.quick(student=student, window_size=width).fit(kind.bumps(16, 0)[0])
    new = list(kind.bumps(5, 1)[0])
    if kind is test_uneven:
        new += [np.linspace(0, 1, 2 * classifier._series_lengths[1]), np.array([1.0, -1.0])]
    panel = padded(new)[:, None].astype(np.float32)
    length, target = lengths_of(panel), np.arange(len(new)) % 3 - 1
    series = np.where(np.arange(panel.shape[2]) < length[:, None, None], panel, np.float32(99))
    proba, maps = answers(classifier, series, length, target)
    given = new if kind is test_uneven else np.array(new)
    np.testing.assert_allclose(proba, classifier.predict_proba(given), atol=1e-5)
    labels = np.where(target < 0, classifier.predict(given), classifier.classes_[target])
    np.testing.assert_allclose(maps, classifier.explain(given, target=labels), atol=1e-4)
    found = answers(classifier, series, length, explain=False)
    np.testing.assert_allclose(found, proba, atol=1e-6)


def test_stretches_are_computed_where_they_take_less_than_half_of_the_whole():
    network = FCN(2, (3, 7, 1)).build(2, 40, 3).eval()
    local = LocalWindows(network, sliding_starts(40, 4), 4, 40)
    first, second, third = (
        part.weight.numel() for part in network.modules() if isinstance(part, nn.Conv1d)
    )
    reached = 6 * first + 12 * second + 12 * third
    assert local.share == pytest.approx(reached / (40 * (first + second + third)))
    for n_timepoints, is_local in ((20, False), (80, True)):
        model = small(FCN(2), n_timepoints=n_timepoints)._fitted_student()
        assert (network_of(model, True, "mean").local is not None) == is_local


class Answers:
    """What onnxruntime gives: the answers of torch, and something more."""

    def __init__(self, *more):
        self.more = more

    def SessionOptions(self):
        return SimpleNamespace()

    def InferenceSession(self, content, options, providers):
        return self

    def run(self, names, given):
        with torch.no_grad():
            found = self.network(*(torch.tensor(value) for value in given.values()))
        found = found if isinstance(found, tuple) else (found,)
        return [one.numpy() + more(one.numpy()) for one, more in zip(found, self.more, strict=True)]


def one(by):
    """One number is moved by a share of the largest."""
    return lambda v: by * np.abs(v).max() * (np.arange(v.size) == 1).reshape(v.shape)


def nothing(v):
    return 0 * v


@pytest.mark.parametrize(
    ("explain", "more", "differs"),
    [
        (False, [one(0.9e-4)], False),
        (False, [one(-1.2e-4)], True),
        (True, [nothing, one(0.9e-3)], False),
        (True, [nothing, one(1.2e-3)], True),
        (True, [one(1.2e-4), nothing], True),
        (True, [nothing, lambda v: np.where(v == v.max(), np.nan, 0)], True),
    ],
)
def test_files_that_answer_otherwise_than_torch_are_refused(explain, more, differs, fitted):
    model = fitted._fitted_student()
    runtime = Answers(*more)
    runtime.network = network_of(model, explain, "mean").eval()
    if not differs:
        return _try(runtime, b"", runtime.network, model, explain)
    with pytest.raises(ExportError, match="answers differently than torch, by"):
        _try(runtime, b"", runtime.network, model, explain)


def test_the_file_says_what_its_inputs_are(fitted):
    onnx = pytest.importorskip("onnx")

    def described(classifier, *settings):
        exported = onnx.ModelProto()
        _describe(exported, classifier._fitted_student(), *settings)
        return {p.key: p.value for p in exported.metadata_props}, exported.doc_string

    about, text = described(fitted, False, None)
    assert about.keys() == {"classes", "n_channels", "n_timepoints", "tsdistill"}
    assert "(n_instances, 1, 20)" in text and "(n_instances, 3)" in text
    assert "length" not in text and "saliency" not in text
    about, text = described(fitted.quantised(4), True, "zero")
    assert (about["bits"], about["window"], about["fill"]) == ("4", "2", "zero")
    assert "saliency: float32 (n_instances, 20)" in text and "-1 for the predicted class" in text
    uneven = test_uneven.quick(student=FCN(2)).fit(test_uneven.bumps(16, 0)[0])
    about, text = described(uneven, False, None)
    assert about["lengths"] == str(list(uneven._series_lengths))
    assert "length: int64 (n_instances,)" in text and "missing value" not in text
    assert f"other numbers of timesteps than {uneven._series_lengths[1]}" in text
    gaps = test_missing.quick(student=FCN(2)).fit(test_missing.bumps(16, 0)[0])
    _, text = described(gaps, False, None)
    assert "NaN is a missing value" in text and "other numbers" not in text


def test_networks_are_traced_with_lengths_that_differ():
    assert _lengths_tried(torch.zeros(3, 1, 20)).tolist() == [20, 10, 6]
    assert _lengths_tried(torch.zeros(3, 1, 3)).tolist() == [3, 2, 2]


def test_errors_of_others_are_cut_to_their_first_line():
    for error, expected in (
        (ValueError(" \x1b[31mred\x1b[0m.\nmore"), "red"),
        (ValueError("a" * 301), "a" * 300),
        (ValueError(), "without a message"),
    ):
        assert _first_line(error) == expected
    error = RuntimeError("outer")
    error.__cause__ = ValueError("inner")
    assert _first_line(error) == "inner"


def test_measures_of_a_report_are_three():
    report = SimpleNamespace(agreement=np.float64(0.9), kl=0.1, saliency=0.5, more=1)
    assert measures_of(report) == {"agreement": 0.9, "kl": 0.1, "saliency": 0.5}
    for name in ("agreement", "kl", "saliency"):
        others = {key: 0.5 for key in ("agreement", "kl", "saliency") if key != name}
        with pytest.raises(ParameterError, match="expected a FidelityReport"):
            measures_of(SimpleNamespace(**others))
