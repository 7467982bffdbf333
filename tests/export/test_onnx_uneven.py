"""ONNX files of students of series of unequal length, or with gaps."""

import json

import numpy as np
import onnxruntime
import pytest

from tests.estimators import test_missing, test_uneven
from tsdistill.inputs.lengths import lengths_of, padded
from tsdistill.students import GRU, STUDENTS, Lite

NAN = np.nan


def exported(classifier, folder, **settings):
    classifier.to_onnx(folder / "a.onnx", **settings)
    return onnxruntime.InferenceSession(folder / "a.onnx", providers=["CPUExecutionProvider"])


SMALL = Lite(n_filters=2, kernel_sizes=(5, 3), stride=3)
STUDENTS_OF_TESTS = [
    SMALL,
    *(
        pytest.param(student, marks=[pytest.mark.slow, pytest.mark.weekly])
        for student in (GRU(hidden_size=4, bidirectional=True), *STUDENTS)
    ),
]


@pytest.mark.parametrize("student", STUDENTS_OF_TESTS, ids=str)
def test_series_of_any_length_get_answers_and_maps_of_the_classifier(student, tmp_path):
    classifier = test_uneven.quick(student=student, max_epochs=10).fit(test_uneven.bumps(30, 0)[0])
    new = test_uneven.bumps(9, 1)[0] + [np.linspace(0, 1, 70), np.linspace(1, -1, 12)]
    session = exported(classifier, tmp_path, explain=True)
    panel = padded(new)[:, None].astype(np.float32)
    expected = classifier.explain(new)
    given = {
        "series": np.nan_to_num(panel, nan=99.0),  # is not read
        "length": lengths_of(panel),
        "target": np.full(len(new), -1),
    }
    proba, maps = session.run(None, given)
    np.testing.assert_allclose(proba, classifier.predict_proba(new), atol=1e-5)
    np.testing.assert_allclose(maps, expected, atol=1e-4)
    given["series"] = np.pad(given["series"], [(0, 0), (0, 0), (0, 9)])
    np.testing.assert_allclose(session.run(None, given)[0], proba, atol=1e-6)
    about = {p.key: p.value for p in session_model(tmp_path).metadata_props}
    assert json.loads(about["lengths"]) == list(classifier._series_lengths)
    assert "length: int64" in session_model(tmp_path).doc_string
    shapes = {one.name: one.shape for one in (*session.get_inputs(), *session.get_outputs())}
    assert shapes == {
        "series": ["n_instances", 1, "n_timepoints"], "length": ["n_instances"],
        "target": ["n_instances"], "proba": ["n_instances", len(classifier.classes_)],
        "saliency": ["n_instances", "n_timepoints"],
    }  # fmt: skip


def session_model(folder):
    import onnx

    return onnx.load(folder / "a.onnx")


@pytest.mark.parametrize("student", STUDENTS_OF_TESTS, ids=str)
def test_series_with_gaps_get_answers_and_maps_of_the_classifier(student, tmp_path):
    classifier = test_missing.quick(student=student, max_epochs=10).fit(
        test_missing.bumps(30, 0)[0]
    )
    new = test_missing.bumps(9, 1)[0]
    new[0, 30:], new[1, :4], new[2, 1:-1] = NAN, NAN, NAN
    session = exported(classifier, tmp_path, explain=True)
    series = new[:, None].astype(np.float32)
    for target in (np.full(9, -1), np.arange(9) % 2):
        given = {"series": series, "length": lengths_of(series), "target": target}
        proba, maps = session.run(None, given)
        np.testing.assert_allclose(proba, classifier.predict_proba(new), atol=1e-5)
        labels = None if target[0] == -1 else classifier.classes_[target]
        expected = classifier.explain(new, target=labels)
        np.testing.assert_allclose(maps, expected, atol=1e-4)
        given["length"] = np.full(9, 40)  # those end earlier whose last values are missing
        np.testing.assert_allclose(session.run(None, given)[1], expected, atol=1e-4)


def test_rounded_weights_are_whole_numbers_in_the_file_too(tmp_path):
    classifier = test_missing.quick(student=SMALL).fit(test_missing.bumps(30, 0)[0]).quantised()
    new = test_missing.bumps(9, 1)[0]
    session = exported(classifier, tmp_path)
    series = new[:, None].astype(np.float32)
    (proba,) = session.run(None, {"series": series, "length": lengths_of(series)})
    np.testing.assert_allclose(proba, classifier.predict_proba(new), atol=1e-5)
    kinds = {one.data_type for one in session_model(tmp_path).graph.initializer if one.raw_data}
    assert 3 in kinds  # int8
