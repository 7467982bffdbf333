"""What a file holds is checked part by part, and an error names the part."""

import copy
import json

import numpy as np
import pytest

from tests.export.conftest import teacher_of_last
from tests.export.test_archive import archive_of, content, members_of  # noqa: F401  (a fixture)
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import (
    FileMissingError,
    ParameterError,
    SavedFileError,
    StudentError,
    TeacherError,
)
from tsdistill.export.archive import archive_bytes, content_of, read_archive
from tsdistill.export.networks import decoded_student
from tsdistill.export.saving import check_loads, factors_of, restored

KNOWN = SaliencyDistilledClassifier._get_param_names()
LIMIT = 4 * 2**20


@pytest.fixture
def parts(content):  # noqa: F811
    """Configuration and tensors of a saved classifier, which a test may change."""
    return content_of(content)


def restore(config, tensors, **settings):
    settings = {"kind": "SaliencyDistilledClassifier", "known": KNOWN} | settings
    return restored(config, tensors, **settings)


def changed(config, **changes):
    """A configuration with other parts, the inner ones as "part__inner"."""
    config = copy.deepcopy(config)
    for name, value in changes.items():
        part, _, inner = name.partition("__")
        if inner:
            config[part][inner] = value
        else:
            config[part] = value
    return config


def test_what_is_whole_is_restored(parts):
    parameters, fitted = restore(*parts)
    assert parameters["teacher"] is None and parameters["device"] == "cpu"
    assert parameters.keys() <= set(KNOWN)
    assert {"memory", "n_jobs", "callbacks", "memory_size"}.isdisjoint(parameters)
    network = fitted["student_"].module_
    assert not any(getattr(part, "takes_uneven", False) for part in network.modules())
    assert fitted["history_"] == [] and fitted["_transfer_set"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "DeferringClassifier"}, "holds a DeferringClassifier; expected a Saliency"),
        ({"parameters__evil": 1}, r"holds no parameters \['evil'\] of a Saliency"),
        ({"parameters__memory": "x"}, r"holds no parameters \['memory'\]"),
        ({"classes": {"dtype": "<i8", "values": [1]}}, "classes are not sorted, or fewer than two"),
        ({"classes": {"dtype": "<i8", "values": [1, 3, 2]}}, "not sorted"),
        ({"classes": {"dtype": "<i8", "values": [1, 1, 2]}}, "not sorted"),
        ({"classes": {"dtype": "<i8", "values": [1, 2]}}, "the baselines .* do not fit"),
        ({"terms": "abc"}, "names of the objectives"),
        ({"terms": ["label", 1]}, "names of the objectives"),
        ({"terms": 3}, "configuration is not complete: TypeError"),
        ({"format": 2}, "format 2 does not go with"),
        ({"window_width": 0}, "windows of 0 timesteps do not fit"),
        ({"window_width": 21}, "windows of 21 timesteps do not fit"),
        ({"window_width": 0.5}, "windows of 0.5 timesteps do not fit"),
        ({"window_width": True}, "windows of True timesteps do not fit"),
        ({"n_queries": -1}, "n_queries=-1 is no number"),
        ({"n_queries": 1.0}, "n_queries=1.0 is no number"),
        ({"teacher_factors": {"factor": 1.0, "inner": "x"}}, "scales of the teacher cannot be"),
        ({"teacher_factors": {"factor": 1.0}}, "not complete: KeyError: 'inner'"),
        ({"network__bits": 8}, "bits=8 of the weights cannot be"),
    ],
)
def test_a_part_that_cannot_be_is_named(changes, message, parts):
    config, tensors = parts
    with pytest.raises(SavedFileError, match=message):
        restore(changed(config, **changes), tensors)


def test_factors_that_cannot_be_are_named(parts):
    config, tensors = parts
    for factor in (0, -1.0, "x", float("nan")):
        with pytest.raises(ParameterError, match="teacher_factors="):
            restore(changed(config, teacher_factors__factor=factor), tensors)


def deep(n):
    """Scales of a teacher of teachers of ... n levels."""
    return {"factor": 1.0, "inner": None if n == 1 else [deep(n - 1)]}


def test_teachers_are_lists_of_lists_eight_deep_at_most(parts):
    config, tensors = parts
    restore(changed(config, teacher_factors=deep(8)), tensors)
    with pytest.raises(SavedFileError, match="scales of the teacher cannot be"):
        restore(changed(config, teacher_factors=deep(9)), tensors)
    with pytest.raises(TeacherError, match="a list of other models"):
        restore(changed(config, teacher_factors=deep(2)), tensors, teacher=teacher_of_last)
    with pytest.raises(TeacherError, match="a list of other models"):
        restore(config, tensors, teacher=[teacher_of_last, teacher_of_last])
    _, fitted = restore(changed(config, teacher_factors__factor=0.25), tensors)
    assert factors_of(fitted["teacher_"])["factor"] == 0.25
    _, fitted = restore(
        changed(config, teacher_factors__factor=0.25), tensors, teacher=Teacher(teacher_of_last)
    )
    assert factors_of(fitted["teacher_"]) == {"factor": 0.25, "inner": None}


@pytest.mark.parametrize(
    "changes", [{"window_width": 1}, {"window_width": 20}, {"n_queries": 0}, {"terms": []}], ids=str
)
def test_values_at_the_edge_are_taken(changes, parts):
    config, tensors = parts
    _, fitted = restore(changed(config, **changes), tensors)
    assert {"_window_width", "n_queries_", "_terms"} <= fitted.keys()


BASELINES = "the baselines of the explanations do not fit"
OTHERS = {
    "other series": ("baselines.series", lambda v: v[:-1], BASELINES),
    "fewer timesteps": ("baselines.series", lambda v: v[..., 1:], BASELINES),
    "series of another dtype": ("baselines.series", lambda v: v.astype(np.float64), BASELINES),
    "means of another dtype": ("baselines.mean", lambda v: v.astype(np.float64), BASELINES),
    "other channels": ("baselines.mean", lambda v: np.r_[v, v], BASELINES),
    "a class that is not": ("baselines.class_index", lambda v: v + (v == 2), BASELINES),
    "one class": ("baselines.class_index", lambda v: 0 * v, BASELINES),
    "a negative class": ("baselines.class_index", lambda v: v - 1, BASELINES),
    "whole numbers of another dtype": ("baselines.class_index", np.int32, BASELINES),
    "answers of another shape": ("answers", lambda v: v[:, :2], "gives other answers"),
    "answers of another dtype": ("answers", lambda v: v.astype(np.float16), "gives other answers"),
    "one other answer": (
        "answers", lambda v: v + 2e-3 * (np.arange(v.size).reshape(v.shape) == 4).astype(v.dtype),
        "gives other answers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_a_tensor_that_does_not_fit_is_said(name, parts):
    config, tensors = parts
    key, change, message = OTHERS[name]
    with pytest.raises(SavedFileError, match=message):
        restore(config, tensors | {key: change(tensors[key])})


def test_two_classes_among_the_baselines_and_rounded_answers_are_enough(parts):
    config, tensors = parts
    class_index = np.minimum(tensors["baselines.class_index"], 1)
    answers = tensors["answers"] + np.float32(5e-4)
    _, fitted = restore(
        config, tensors | {"baselines.class_index": class_index, "answers": answers}
    )
    np.testing.assert_array_equal(fitted["_baselines"].class_index, class_index)
    np.testing.assert_array_equal(fitted["_baselines"].mean[0, :, -1], tensors["baselines.mean"])
    assert fitted["_baselines"].mean.shape == (1, 1, 20)


def test_other_tensors_are_named(parts):
    config, tensors = parts
    with pytest.raises(SavedFileError, match=r"other tensors: \['answers', 'base.*, \.\.\."):
        restore(config, tensors | {"more": np.zeros(1)})
    with pytest.raises(SavedFileError, match="KeyError: 'answers'|other tensors"):
        restore(config, {k: v for k, v in tensors.items() if k != "answers"})


def test_a_student_that_is_passed_is_the_one_that_is_wrong(parts):
    config, tensors = parts
    with pytest.raises(StudentError, match="do not fit the student"):
        restore(config, tensors, student="lite")
    other = tensors | {"answers": tensors["answers"] + np.float32(1)}
    with pytest.raises(StudentError, match="gives other answers.*pass the same module"):
        restore(config, other, student=decoded_student(config["network"]["student"]))


def test_a_tensor_with_one_nan_is_named(parts):
    config, tensors = parts
    check_loads(config, tensors, None)
    for value in (np.nan, np.inf):
        odd = tensors["answers"].copy()
        odd[0, 0] = value
        with pytest.raises(SavedFileError, match="the tensor 'answers' holds NaN or infinity"):
            content_of(archive_bytes(config, tensors | {"answers": odd}))


MESSAGES = {
    b"[1]": "config.json holds a list; expected an object",
    b'{"format": 1, "format": 1}': "a name appears twice",
    b'{"format": Infinity}': "Infinity is no number that it may hold",
    b'{"format": 1' + b"0" * 400 + b".0}": f"1{'0' * 19} is too large",
    b"\xff": "config.json cannot be read",
    b'{"format": 3}': "version 3, .* reads 1 and 2; install a later version of tsdistill",
    b'{"format": 0}': "version 0, and this version of tsdistill reads 1 and 2\\.$",
    b'{"format": 3.0}': r"version 3.0, and this version of tsdistill reads 1 and 2\.$",
    b'{"format": "1"}': r"version 1, and this version of tsdistill reads 1 and 2\.$",
    b"{}": r"version None, and this version of tsdistill reads 1 and 2\.$",
    b'{"format": ' + b"9" * 60 + b"}": f"version {'9' * 50}, .* install a later version",
}


@pytest.mark.parametrize("text", MESSAGES)
def test_what_is_wrong_with_a_configuration_is_said(text, content):  # noqa: F811
    with pytest.raises(SavedFileError, match=MESSAGES[text]):
        content_of(archive_of(("config.json", text), members_of(content)[1]))


def test_a_configuration_takes_four_megabytes_at_most(content):  # noqa: F811
    config = {"format": 1, "text": ""}
    config["text"] = "x" * (LIMIT - len(json.dumps(config, indent=1)))
    assert content_of(archive_bytes(config, {}))[0] == config
    config["text"] += "x"
    with pytest.raises(
        SavedFileError, match=f"takes {LIMIT + 1} bytes, and a file may hold {LIMIT}"
    ):
        archive_bytes(config, {})
    text = json.dumps(config, indent=1).encode()
    with pytest.raises(SavedFileError, match=f"has {LIMIT + 1} bytes; expected {LIMIT} at most"):
        content_of(archive_of(("config.json", text), members_of(content)[1]))


def test_members_of_an_archive_are_named(content):  # noqa: F811
    (_, config), tensors = members_of(content)
    with pytest.raises(SavedFileError, match=r"holds \['other.json', 'tensors.safetensors'\]; exp"):
        content_of(archive_of(("other.json", config), tensors))


def test_paths_that_are_none_are_said(tmp_path):
    for path in (3, None, b"file", "a\0b"):
        with pytest.raises(ParameterError, match="path=.*; expected a path"):
            read_archive(path)
    with pytest.raises(FileMissingError, match="path='.*none': there is no such file"):
        read_archive(tmp_path / "none")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(SavedFileError, match="path='.*empty': the end of the file is not that of"):
        read_archive(tmp_path / "empty")
