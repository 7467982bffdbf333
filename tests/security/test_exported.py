"""What leaves the machine says nothing of it: no folders, no names of users or hosts."""

import base64
import getpass
import os
import re
import socket
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

import tsdistill

ROOT = Path(tsdistill.__file__).parent.parent


def names_of_the_machine(folder):
    """Texts that no exported file should hold."""
    places = {
        str(folder), tempfile.gettempdir(), str(Path.home()), os.getcwd(), str(ROOT), sys.prefix,
        sys.base_prefix, sysconfig.get_path("purelib"), socket.gethostname(), folder.name,
    }  # fmt: skip
    if len(getpass.getuser()) > 4:  # a shorter one may be part of a word
        places.add(getpass.getuser())
    return {name.encode() for name in places if len(name) > 3} | {b"site-packages", b"<ipython"}


def without_pictures(content):
    """A page with the texts of its pictures, but not their pixels, in which any word may be."""
    pictures = re.findall(rb'base64,([^"]+)"', content)
    for picture in pictures:
        texts = re.findall(rb"tEXt(.{80})", base64.b64decode(picture + b"===")[:4000], re.DOTALL)
        content = content.replace(picture, b" ".join(texts))
    return content


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "folder_of_a_user"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow
def test_no_exported_file_names_the_machine(real, folder):
    pytest.importorskip("onnxscript")
    student, X, y = real.student, real.X, real.student.predict(real.X)
    student.save(folder / "student.tsdistill")
    real.swap.save(folder / "swap.tsdistill")
    (folder / "monitor.tsdistill").write_bytes((real.folder / "monitor").read_bytes())
    student.to_onnx(folder / "student.onnx")
    student.to_onnx(folder / "explained.onnx", explain=True)
    student.to_c(folder / "student.c")
    student.to_html(folder / "page.html")
    report = student.fidelity_report(X, y, n_explained=30)
    report.to_html(folder / "report.html")
    (folder / "card.md").write_text(student.model_card(report, name="bumps"), encoding="utf-8")
    result = real.contract.check(student, X, y)
    result.to_json(folder / "evidence.json")
    result.to_junit(folder / "evidence.xml")
    result.to_html(folder / "evidence.html")
    written = {path.name: without_pictures(path.read_bytes()) for path in folder.iterdir()}
    assert len(written) >= 12 and all(written.values())
    names = names_of_the_machine(folder)
    told = {
        name: [one for one in names if one.lower() in content.lower()]
        for name, content in written.items()
    }
    assert not any(told.values()), told


@pytest.mark.slow
def test_the_evidence_of_the_command_names_digests_and_no_files(real, folder):
    from tsdistill.__main__ import main

    paths = [str(real.folder / name) for name in ("contract", "student", "arrays")]
    kinds = {"--json": "evidence.json", "--junit": "evidence.xml", "--html": "evidence.html"}
    options = [text for kind, name in kinds.items() for text in (kind, str(folder / name))]
    assert main(["check", *paths, *options]) == 0
    names = names_of_the_machine(folder) | {str(real.folder).encode()}
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b"sha256" in content.lower() or b"digests" in content
        assert not [one for one in names if one in content], path
