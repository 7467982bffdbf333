"""A classifier of few bits is a classifier like any other."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from tests.conftest import bump_teacher
from tests.export.conftest import OwnNetwork, bumps, small
from tests.export.test_archive import archive_of, members_of
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, fidelity
from tsdistill.exceptions import ExportError, ParameterError, SavedFileError
from tsdistill.objectives import ExplanationAutoencoder


def test_everything_speaks_of_the_rounded_student(fitted, tmp_path):
    X = bumps()[0]
    before = fitted.predict_proba(X)
    quantised = fitted.quantised(bits=4)
    assert (fitted.n_bits_, quantised.n_bits_) == (32, 4)
    np.testing.assert_array_equal(fitted.predict_proba(X), before)
    assert np.abs(quantised.predict_proba(X) - before).max() > 1e-4
    assert np.abs(quantised.explain(X) - fitted.explain(X)).max() > 1e-4
    report = quantised.fidelity_report(X, n_explained=4)
    assert "rounded to 4 bits" in report.about
    whole = fitted.fidelity_report(X, n_explained=4)
    assert "bits" not in whole.about
    size = report.models.loc["student", "megabytes"] / whole.models.loc["student", "megabytes"]
    assert size < 0.5
    assert quantised.fidelity_score(X, metric="kl") == pytest.approx(-report.kl)
    swap = DeferringClassifier(quantised, max_disagreement=0.3, confidence=0.5).fit(X)
    assert swap.student_.n_bits_ == 4
    copied = pickle.loads(pickle.dumps(quantised))
    assert copied.n_bits_ == 4


@pytest.mark.parametrize("student", ["lite", "inception", "fcn", "resnet", "gru"])
@pytest.mark.parametrize("bits", [2, 8])
def test_files_hold_whole_numbers_and_come_back(student, bits, tmp_path):
    classifier = small(student, n_channels=2)
    path = tmp_path / "file"
    classifier.save(path)
    size = path.stat().st_size
    quantised = classifier.quantised(np.int64(bits))
    quantised.save(path)
    assert path.stat().st_size < 0.75 * size
    loaded = SaliencyDistilledClassifier.load(path)
    X = bumps(2)[0]
    assert loaded.n_bits_ == bits
    np.testing.assert_array_equal(loaded.predict_proba(X), quantised.predict_proba(X))
    np.testing.assert_array_equal(loaded.explain(X), quantised.explain(X))


def test_the_layers_of_an_autoencoder_are_rounded_too(tmp_path):
    auxiliary = ExplanationAutoencoder(n_questions=200, n_filters=3)
    quantised = small(auxiliary=auxiliary, n_mixtures=0).quantised()
    quantised.save(tmp_path / "file")
    loaded = SaliencyDistilledClassifier.load(tmp_path / "file")
    X = bumps()[0]
    maps = quantised.explain(X, method="autoencoder")
    np.testing.assert_array_equal(loaded.explain(X, method="autoencoder"), maps)


def test_eight_bits_hardly_change_answers(toy, quick):
    X, y = toy
    classifier = quick(max_epochs=200, n_mixtures=50).fit(X, y)
    quantised = classifier.quantised()
    whole, rounded = classifier.predict_log_proba(X), quantised.predict_log_proba(X)
    assert fidelity.predictive_kl(whole, rounded) < 1e-3
    assert fidelity.saliency_correlation(classifier.explain(X), quantised.explain(X)) > 0.99


def test_a_further_fit_is_of_whole_precision(fitted):
    quantised = fitted.quantised()
    assert quantised.fit(*bumps()).n_bits_ == 32
    quantised = small(warm_start=True).quantised()
    assert quantised.fit(*bumps()).n_bits_ == 32


@pytest.mark.parametrize("bits", [1, 9, 8.0, "8", True, None])
def test_other_bits_are_refused(bits, fitted):
    with pytest.raises(ParameterError, match=r"bits=.*expected a whole number from 2 to 8"):
        fitted.quantised(bits)


def test_an_unfitted_classifier_has_no_bits():
    with pytest.raises(NotFittedError):
        SaliencyDistilledClassifier(bump_teacher).quantised()
    assert not hasattr(SaliencyDistilledClassifier(bump_teacher), "n_bits_")


def test_codes_and_scales_of_a_hostile_file_have_to_fit(fitted, tmp_path):
    from safetensors.numpy import load, save

    path = tmp_path / "file"
    fitted.quantised(4).save(path)
    config, (name, data) = members_of(path.read_bytes())
    tensors = load(data)
    scale = next(key for key in tensors if key.startswith("network.scale:"))
    codes = "network." + scale.removeprefix("network.scale:")
    for changed in (
        {scale: tensors[scale][:-1]},
        {scale: tensors[scale].astype(np.float64)},
        {scale: np.full_like(tensors[scale], np.nan)},
        {codes: tensors[codes] + np.int8(100)},
        {codes: tensors[codes].astype(np.int16)},
        {codes: tensors[codes][..., :0]},
        {"network.scale:none": tensors[scale]},
    ):
        packed = save({k: np.array(v) for k, v in (tensors | changed).items()})
        path.write_bytes(archive_of(config, (name, packed)))
        with pytest.raises(SavedFileError):
            SaliencyDistilledClassifier.load(path)
    path.write_bytes(
        archive_of(config, (name, save({k: v for k, v in tensors.items() if k != scale})))
    )
    with pytest.raises(SavedFileError):
        SaliencyDistilledClassifier.load(path)


def test_a_student_without_such_weights_is_refused(fitted):
    doubled = small()
    doubled.student_.module_.double()
    with pytest.raises(ExportError, match="no float32 weights"):
        doubled.quantised()


def test_an_attribute_of_the_users_module_stays_as_it_is():
    class Own(OwnNetwork):
        def __init__(self, *shape):
            super().__init__(*shape)
            self.rounding = self.configuration = 0.5

        def forward(self, x):
            return super().forward(x) * self.rounding

    quantised = small(Own).quantised()
    assert quantised.student_.module_.rounding == 0.5 and quantised.n_bits_ == 8
    assert np.isfinite(quantised.predict_proba(bumps()[0])).all()
