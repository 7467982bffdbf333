"""``python -m tsdistill``: what a CI sees of it."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import joblib
import numpy as np
import pytest

import tsdistill
from tests.conftest import bump_teacher
from tests.swap.bumps import TEACHER, bumps, fitted_student
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.__main__ import main
from tsdistill.exceptions import ParameterError
from tsdistill.swap.command import imported, read_arrays
from tsdistill.teachers.answer_store import folder_of
from tsdistill.teachers.querying import QueryOptions, query

ROOT = Path(tsdistill.__file__).parent.parent
MODELS = """
import numpy as np
import torch
from tsdistill import SaliencyDistilledClassifier, Teacher

class Own(torch.nn.Module):
    def __init__(self, n_channels, n_timepoints, n_classes):
        super().__init__()
        self.linear = torch.nn.Linear(n_channels * n_timepoints, n_classes)

    def forward(self, series):
        return self.linear(series.flatten(1))

unfitted = SaliencyDistilledClassifier(Own)
network = Own(1, 20, 3)

def answers(X):
    X = np.asarray(X).reshape(len(X), -1)
    scores = np.exp(3 * np.stack([X[:, 2 + 6 * k : 6 + 6 * k].mean(1) for k in range(3)], axis=1))
    return scores / scores.sum(axis=1, keepdims=True)

class holder:
    forest = Teacher(answers, classes=["down", "<b>", "up & away"])

def broken(X):
    raise RuntimeError("no licence")
"""
STUDENT = """
from models_of_command import Own
from tsdistill import SaliencyDistilledClassifier

student = SaliencyDistilledClassifier.load("own.tsd", student=Own)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a student, series with the teacher's answers, and contracts."""
    folder = tmp_path_factory.mktemp("command")
    student = fitted_student()
    student.save(folder / "student.tsd")
    X, y = bumps(300, 0.8, seed=1)
    proba = student.teacher_.predict_proba(X)
    maps = student.explain(X, of="teacher", fill="mean")
    np.savez(folder / "data.npz", X=X, y=y, teacher_proba=proba, teacher_maps=maps)
    np.savez(folder / "series.npz", X=X)
    np.savez(folder / "few.npz", X=X[:9], teacher_proba=proba[:9])
    (folder / "kept.toml").write_text("[demands]\nagreement = 0.9\nsaliency = 0.7\n")
    (folder / "broken.toml").write_text("[demands]\nagreement = 0.999\n")
    (folder / "labels.toml").write_text("[demands]\nnegative_flips = 0.1\n")
    (folder / "models_of_command.py").write_text(MODELS)
    (folder / "student_of_command.py").write_text(STUDENT)
    names = {}
    exec(MODELS, names)
    own = SaliencyDistilledClassifier(TEACHER, names["Own"], max_epochs=60, random_state=0)
    own.fit(*bumps(48, 0.3)).save(folder / "own.tsd")
    return folder


@pytest.fixture
def there(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return folder


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ("check kept.toml student.tsd data.npz", 0, "The contract is kept: of 2 demands 2 kept"),
        ("check broken.toml student.tsd data.npz", 1, "broken    TSD101 agreement: demanded >="),
        ("check kept.toml student.tsd few.npz", 2, "series would settle it"),
    ],
)
def test_the_status_is_the_one_that_ci_reads(there, arguments, status, text, capsys):
    assert main(arguments.split()) == status
    assert text in capsys.readouterr().out


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"tsdistill {tsdistill.__version__}\n"


def in_process(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tsdistill", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_a_process_ends_with_that_status(folder):
    done = in_process(folder, "check", "broken.toml", "student.tsd", "data.npz")
    assert done.returncode == 1, done.stderr
    assert "broken    TSD101 agreement: demanded >=" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_what_cannot_be_used_ends_the_process_without_a_traceback(folder):
    done = in_process(folder, "check", "none.toml", "student.tsd", "data.npz")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "tsdistill: contract 'none.toml': there is no such file.\n"


def test_files_for_ci_are_written_with_digests_of_the_files_read(there, tmp_path, capsys):
    outputs = [f"--{kind}={tmp_path / kind}" for kind in ("json", "junit", "html")]
    assert main(["check", "broken.toml", "student.tsd", "data.npz", *outputs]) == 1
    read = json.loads((tmp_path / "json").read_text())
    digest = hashlib.sha256((there / "student.tsd").read_bytes()).hexdigest()
    assert read["digests"]["student file"] == digest and read["status"] == "broken"
    assert ElementTree.parse(tmp_path / "junit").getroot().get("failures") == "1"
    assert "TSD101" in (tmp_path / "html").read_text()
    assert capsys.readouterr().out.startswith("The contract is broken: of 1 demands")


def test_a_teacher_is_imported_from_the_current_folder(there, capsys):
    arguments = ["check", "kept.toml", "student.tsd", "series.npz", "--n-explained", "100"]
    assert main([*arguments, "--teacher", "models_of_command:holder.forest"]) == 0
    assert "on 100 series with maps" in capsys.readouterr().out


def test_a_student_of_ones_own_make_is_imported(there, tmp_path, capsys):
    (there / "agree.toml").write_text("[demands]\nagreement = 0.9\n")
    arguments = ["check", "agree.toml", "student_of_command:student", "data.npz"]
    assert main([*arguments, f"--json={tmp_path / 'json'}"]) == 0
    assert "kept      TSD101 agreement: demanded >= 0.9, shown >=" in capsys.readouterr().out
    digests = json.loads((tmp_path / "json").read_text())["digests"]
    assert {"student", "data file"} <= set(digests) and "student file" not in digests
    arguments[2] = "own.tsd"
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith(
        "or a module with these layers. Here: load it in a module, and name it as module:object; "
        "see --help.\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="no such file names")
def test_a_file_is_read_whatever_its_name(there, capsys):
    (there / "v1:student").write_bytes((there / "student.tsd").read_bytes())
    assert main(["check", "kept.toml", "v1:student", "data.npz"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("kept.toml none.tsd data.npz", "path='none.tsd': there is no such file."),
        ("kept.toml student.tsd none.npz", "data 'none.npz': there is no such file."),
        ("kept.toml student.tsd kept.toml", "data 'kept.toml' cannot be read: "),
        ("kept.toml student.tsd .", "data '.' cannot be read: "),
        ("kept.toml data.npz data.npz", "path='data.npz': the end of the file is not that of"),
        ("data.npz student.tsd data.npz", "contract 'data.npz' is no text in UTF-8"),
        ("models_of_command.py student.tsd data.npz", "contract 'models_of_command.py' is no TOML"),
        ("labels.toml student.tsd series.npz", "negative_flips needs y, but got None"),
        ("kept.toml student.tsd series.npz", "agreement needs the teacher's answers"),
        ("kept.toml student.tsd objects.npz", "data 'objects.npz' cannot be read: Object arrays"),
        ("kept.toml student.tsd array.npy", "data 'array.npy' holds one array; write it by"),
        ("kept.toml student.tsd no_X.npz", "data 'no_X.npz' has no X, but ['y']"),
        (
            "kept.toml student.tsd named.npz",
            "data 'named.npz' has the unknown name 'teacher_probs'; expected 'X', 'y', "
            "'teacher_proba', 'teacher_maps'. Did you mean 'teacher_proba'?",
        ),
        ("kept.toml student.tsd series.npz --teacher models", "--teacher 'models'; expected"),
        (
            "kept.toml student.tsd series.npz --teacher no_such_module:x",
            "--teacher no_such_module:x cannot be imported: ModuleNotFoundError: ",
        ),
        (
            "kept.toml student.tsd series.npz --teacher models_of_command:none",
            "--teacher models_of_command:none cannot be imported: AttributeError: ",
        ),
        (
            "kept.toml student.tsd series.npz --teacher models_of_command:broken",
            "teacher broken failed on two series of shape (2, 20): RuntimeError: no licence",
        ),
        (
            "kept.toml no_such_module:x data.npz",
            "student no_such_module:x cannot be imported: ModuleNotFoundError: ",
        ),
        (
            "kept.toml models_of_command:none data.npz",
            "student models_of_command:none cannot be imported: AttributeError: ",
        ),
        ("kept.toml models_of_command:unfitted data.npz", "This SaliencyDistilledClass"),
        ("kept.toml models_of_command:network data.npz", "a contract cannot check a Own"),
        ("kept.toml models:student:x data.npz", "path='models:student:x': there is no such file."),
        ("kept.toml student.tsd data.npz --json none/out.json", "path='none/out.json': the folder"),
        ("none.toml none data.npz --html none/out.html", "path='none/out.html': the folder"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(there, capsys, arguments, message):
    X = np.zeros((4, 20))
    np.savez("objects.npz", X=X, y=np.array(["a", 3], dtype=object))
    np.save("array.npy", X)
    np.savez("no_X.npz", y=np.zeros(4))
    np.savez("named.npz", X=X, teacher_probs=X)
    assert main(["check", *arguments.split()]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith(f"tsdistill: {message}")
    assert shown.err.count("\n") == 1


def array_bytes(shape, values, version=(1, 0)):
    """An array as NumPy writes it, with a header that may say another shape than it has."""
    content = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    written = bytearray(content.getvalue() + np.asarray(values, "<f8").tobytes())
    written[6:8] = version
    return bytes(written)


@pytest.mark.parametrize(
    ("shape", "n_values", "version", "what"),
    [
        ((4, 20), 79, (1, 0), "X.npy has another size than its header says."),
        ((4, 20), 81, (1, 0), "X.npy has another size than its header says."),
        ((4, 20), 80, (3, 0), "X.npy is no array of numbers or texts."),
    ],
)
def test_arrays_that_are_not_what_they_say_are_refused(tmp_path, shape, n_values, version, what):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("X.npy", array_bytes(shape, np.zeros(n_values), version))
    with pytest.raises(ParameterError) as caught:
        read_arrays(tmp_path / "data.npz")
    assert f"cannot be read: {what} Write it by numpy.savez" in str(caught.value)


def test_what_no_deflate_can_have_compressed_is_refused(tmp_path):
    """A directory that gives the size of the header, for a member of a few bytes."""
    content = bytearray(array_bytes((10**7,), []))
    size, path = len(content) + 8 * 10**7, tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X.npy", bytes(content))
    written = bytearray(path.read_bytes())
    at = written.rindex(b"PK\1\2") + 24  # the size of the member in the directory
    written[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(written)
    with pytest.raises(ParameterError, match="another size than its header says"):
        read_arrays(path)


def test_zeros_that_compress_as_far_as_deflate_can_are_read(tmp_path):
    zeros = np.zeros((1000, 1000))
    np.savez_compressed(tmp_path / "data.npz", X=zeros)
    assert zeros.nbytes > 1000 * (tmp_path / "data.npz").stat().st_size
    np.testing.assert_array_equal(read_arrays(tmp_path / "data.npz")["X"], zeros)


def test_a_module_of_the_current_folder_comes_before_others_of_its_name(there, tmp_path):
    (tmp_path / "two_of_a_name.py").write_text("here = False")
    (there / "two_of_a_name.py").write_text("here = True")
    sys.path.insert(0, str(tmp_path))
    assert imported("two_of_a_name:here", "student") is True


def test_help_names_exit_statuses_and_arrays(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["check", "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "exit status:" in text and "teacher_maps" in text and "[demands]" in text
    with pytest.raises(SystemExit) as stopped:
        main(["chek"])
    assert stopped.value.code == 2


def kept_answers(folder, n_series=12):
    """Keep the answers to a few series in a folder."""
    model = Teacher(bump_teacher, classes=np.arange(3))
    panel = np.random.default_rng(0).normal(size=(n_series, 1, 20)).astype(np.float32)
    bound = model.bind(panel[:, 0]).identified_by((0, "one"))
    memory = joblib.Memory(str(folder), verbose=0)
    for rows in (slice(0, 5), slice(5, n_series)):
        query(bound, panel[rows], QueryOptions(memory=memory))
    return folder_of(memory)


def test_kept_answers_are_shown_bounded_and_cleared(tmp_path, capsys):
    entries = kept_answers(tmp_path)
    old = entries / ("0" * 32)
    old.mkdir()
    (old / "output.pkl").write_bytes(b"x" * 2000)
    os.utime(old, (0, 0))
    assert main(["memory", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    total = sum(path.stat().st_size for path in entries.rglob("*") if path.is_file())
    assert lines[1:3] == [
        "3 entries, in 2 files of answers", f"{total / 1000:.1f} kB ({total:,} bytes)"
    ]  # fmt: skip
    assert lines[3].startswith("last used between 1970-01-01 ")
    assert lines[4].startswith("1 entries (2.0 kB) are pickles of an earlier version")
    assert main(["memory", str(tmp_path / "joblib"), "--limit", "1 kB"]) == 0
    assert capsys.readouterr().out.startswith("Removed 1 entries.\n") and not old.exists()
    assert main(["memory", str(tmp_path), "--clear"]) == 0
    shown = capsys.readouterr().out
    assert shown == f"Removed 2 entries.\nNo answers are kept in {entries}.\n"
    assert not entries.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "folder='none': there is no such folder."),
        ([".", "--limit", "much"], "--limit='much'; expected None, a whole number of bytes above"),
    ],
)
def test_a_folder_or_limit_that_cannot_be_used_is_said_in_one_line(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["memory", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith(f"tsdistill: {message}")


def test_only_the_entries_are_cleared(tmp_path, capsys):
    kept_answers(tmp_path)
    other = tmp_path / "joblib" / "somebody" / "else.txt"
    other.parent.mkdir()
    other.write_text("stays")
    assert main(["memory", str(tmp_path), "--clear"]) == 0
    assert other.read_text() == "stays"
    (tmp_path / "empty").mkdir()
    assert main(["memory", str(tmp_path / "empty"), "--clear"]) == 0
    assert (tmp_path / "empty").is_dir()
