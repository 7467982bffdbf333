"""Paths that users pass, and files that are written whole or not at all."""

import os
import pathlib
import stat

import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.files import check_folder, check_path, replaced_when_whole, write_whole


class OfBytes(os.PathLike):
    def __repr__(self):
        return "OfBytes()"

    def __fspath__(self):
        return b"page.html"


def test_paths_of_every_kind_are_accepted(tmp_path):
    for path in ("page.html", tmp_path / "page.html", pathlib.PurePosixPath("a/b"), "größe"):
        check_path("path", path)


@pytest.mark.parametrize("path", [3, None, b"page.html", OfBytes(), "", "a\0b"], ids=repr)
def test_what_is_no_path_is_refused(path):
    with pytest.raises(ParameterError) as caught:
        check_path("memory", path)
    assert str(caught.value) == f"memory={path!r}; expected a path."


def test_a_folder_in_place_of_a_file_is_said(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        check_folder(tmp_path)
    assert str(caught.value) == (
        f"path={str(tmp_path)!r} is a folder; pass the name of a file in it."
    )


def test_a_folder_that_does_not_exist_is_said(tmp_path):
    path = tmp_path / "no" / "page.html"
    with pytest.raises(FileNotFoundError) as caught:
        check_folder(path)
    assert str(caught.value) == f"path={str(path)!r}: the folder {path.parent} does not exist."


def test_errors_of_paths_are_ours_and_those_of_the_system(tmp_path, toy, quick):
    from tsdistill.exceptions import FolderGivenError, FolderMissingError, TsdistillError

    report = quick(max_epochs=1).fit(*toy).fidelity_report(toy[0], n_explained=2)
    for path, error, of_system in (
        (tmp_path, FolderGivenError, IsADirectoryError),
        (tmp_path / "no" / "page.html", FolderMissingError, FileNotFoundError),
    ):
        assert issubclass(error, (TsdistillError, of_system, OSError))
        with pytest.raises(error) as caught:
            report.to_html(path)
        assert isinstance(caught.value, of_system) and isinstance(caught.value, TsdistillError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_file_that_fails_half_way_leaves_the_old_one_and_no_part(tmp_path, error, old):
    path = tmp_path / "page.html"
    if old is not None:
        path.write_text(old)
    with pytest.raises(error), replaced_when_whole(path, "w") as file:
        file.write("half")
        file.flush()
        raise error
    assert [one.read_text() for one in tmp_path.iterdir()] == [old] * (old is not None)


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    path = tmp_path / "page.html"
    path.write_text("old")
    with replaced_when_whole(path, "w") as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert [one.read_text() for one in tmp_path.iterdir()] == ["new"]
    usual = tmp_path / "usual"
    usual.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


def test_surrogates_are_written_as_escapes(tmp_path):
    write_whole(tmp_path / "page.html", "a \ud800 b")
    assert (tmp_path / "page.html").read_text() == "a \\ud800 b"
