"""Files are written whole, and hostile ones end in a named error."""

import hashlib
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from tsdistill import SaliencyDistilledClassifier
from tsdistill.exceptions import (
    FileMissingError,
    FolderGivenError,
    FolderMissingError,
    MissingExtraError,
    ParameterError,
    PathError,
    SavedFileError,
    TsdistillError,
)
from tsdistill.export.archive import (
    COMMENT,
    LARGEST_CONFIG,
    archive_bytes,
    content_of,
    read_archive,
    write_archive,
)

CONFIG = {"format": 1, "kind": "test", "list": [1, 2.5, None, "ü"]}
TENSORS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array(3),
    "columns first": np.arange(6.0).reshape(2, 3).T,
}
DATE = (1980, 1, 1, 0, 0, 0)


@pytest.fixture(scope="module")
def content(fitted, tmp_path_factory):
    """The bytes of a saved classifier."""
    path = tmp_path_factory.mktemp("saved") / "student.tsdistill"
    fitted.save(path)
    return path.read_bytes()


@pytest.fixture
def load(tmp_path):
    """Loads a classifier from bytes."""

    def from_bytes(content):
        path = tmp_path / "hostile.tsdistill"
        path.write_bytes(content)
        return SaliencyDistilledClassifier.load(path)

    return from_bytes


def sealed(body):
    """Bytes with a right checksum, as an attacker would write it."""
    return body + COMMENT.format(hashlib.sha256(body).hexdigest()).encode()


def archive_of(*members, compression=zipfile.ZIP_STORED):
    """A sealed archive of (name, data)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, DATE), data, compression)
        archive.comment = b"x" * len(COMMENT.format("0" * 64))
    return sealed(file.getvalue()[: -len(archive.comment)])


def members_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def with_config(content, change):
    """A sealed file whose configuration was changed."""
    (name, text), tensors = members_of(content)
    config = json.loads(text)
    changed = change(config)
    return archive_of((name, json.dumps(config if changed is None else changed)), tensors)


def test_what_is_written_comes_back(tmp_path):
    path = tmp_path / "file"
    write_archive(path, CONFIG, TENSORS)
    config, tensors = read_archive(str(path))
    assert config == CONFIG and tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(tensors[name], tensor)
        assert tensors[name].dtype == tensor.dtype and tensors[name].shape == tensor.shape


def test_the_same_content_gives_the_same_bytes():
    swapped = dict(reversed(TENSORS.items()))
    assert archive_bytes(CONFIG, TENSORS) == archive_bytes(dict(CONFIG), swapped)


def test_any_zip_program_opens_a_file(tmp_path):
    path = tmp_path / "file.zip"
    write_archive(path, CONFIG, TENSORS)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("config.json")) == CONFIG
        assert b'\n "kind": "test",\n' in archive.read("config.json")  # to be read by people, too
        assert {member.date_time for member in archive.infolist()} == {DATE}


def test_what_json_does_not_have_is_not_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        archive_bytes(CONFIG | {"share": np.nan}, TENSORS)


def test_a_configuration_may_have_its_greatest_length():
    text = json.dumps(CONFIG).encode().ljust(LARGEST_CONFIG)
    tensors = members_of(archive_bytes(CONFIG, TENSORS))[1]
    assert content_of(archive_of(("config.json", text), tensors))[0] == CONFIG
    with pytest.raises(SavedFileError, match="4194305 bytes; expected 4194304 at most"):
        content_of(archive_of(("config.json", text + b" "), tensors))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"format": 1, "more": {"a": 1, "a": 1}}', "a name appears twice"),
        (b'{"format": 1, "more": [1e999]}', "1e999 is too large"),
        (b'{"format": 1, "more": [-Infinity]}', "-Infinity is no number"),
    ],
)
def test_what_is_no_plain_json_is_said(text, message):
    tensors = members_of(archive_bytes(CONFIG, TENSORS))[1]
    with pytest.raises(SavedFileError, match=message):
        content_of(archive_of(("config.json", text), tensors))


def test_a_member_that_says_it_is_compressed_is_refused_before_it_is_read():
    content = archive_bytes(CONFIG, TENSORS)[: -len(COMMENT.format("0" * 64))]
    with zipfile.ZipFile(io.BytesIO(sealed(content))) as archive:
        starts = archive.start_dir, content.index(b"PK\1\2", archive.start_dir + 1)
    for start in starts:
        changed = bytearray(content)
        changed[start + 10] = zipfile.ZIP_DEFLATED  # the method, in the directory at the end
        with pytest.raises(SavedFileError, match="are compressed, overlap"):
            content_of(sealed(bytes(changed)))


def test_an_older_file_stays_if_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_archive(path, CONFIG, TENSORS)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *names: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_archive(path, {"format": 1}, {})
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_paths_that_cannot_be_are_said(tmp_path, fitted):
    for path, error in ((tmp_path, FolderGivenError), (tmp_path / "no" / "f", FolderMissingError)):
        for write in (fitted.save, lambda path: write_archive(path, CONFIG, TENSORS)):
            with pytest.raises(error):
                write(path)
    with pytest.raises(ParameterError, match="path=3; expected a path"):
        fitted.save(3)
    with pytest.raises(FileMissingError, match="there is no such file"):
        SaliencyDistilledClassifier.load(tmp_path / "none")
    with pytest.raises(TsdistillError, match="cannot be read"):
        SaliencyDistilledClassifier.load(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_neither_waited_for_nor_replaced(tmp_path, fitted):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for use in (SaliencyDistilledClassifier.load, fitted.save, fitted.to_html, fitted.to_c):
        with pytest.raises(PathError) as caught:
            use(path)
        assert str(caught.value) == f"path={str(path)!r} is a device or a pipe; expected a file."
    assert path.is_fifo()


def test_a_file_larger_than_memory_is_said(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(bytes(1234))

    def full(path):
        raise MemoryError

    monkeypatch.setattr("pathlib.Path.read_bytes", full)
    with pytest.raises(PathError, match="cannot be read: it takes 1234 bytes of memory"):
        read_archive(path)


def test_a_missing_safetensors_names_the_extra(tmp_path, fitted, content, load, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    for use in (lambda: fitted.save(tmp_path / "file"), lambda: load(content)):
        with pytest.raises(MissingExtraError, match=r"pip install 'tsdistill\[save\]'"):
            use()


def test_files_cut_off_anywhere_are_refused(content, load):
    for length in [*range(0, len(content), 512), len(content) - 1]:
        with pytest.raises(SavedFileError, match="cut off"):
            load(content[:length])
    with pytest.raises(SavedFileError):
        load(content + b"\0")


def test_a_change_of_any_byte_is_seen(content, load):
    for place in range(0, len(content), 97):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        with pytest.raises(SavedFileError, match="was changed"):
            load(bytes(changed))


def header_places(content):
    """Places of all bytes of the archive's own headers, and of the header of the tensors."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        start = archive.start_dir
    data = members[1].header_offset + 30 + len("tensors.safetensors")
    length = struct.unpack("<Q", content[data : data + 8])[0]
    local = [m.header_offset + i for m in members for i in range(30 + len(m.filename))]
    return [*local, *range(data, data + 8 + length)], range(start, len(content))


def test_a_flipped_bit_of_a_header_is_refused_or_changes_nothing(content, load, fitted):
    """The checksum is right, as if an attacker had written it."""
    X = fitted._baselines.series
    expected = fitted.predict_proba(X)
    body = content[: -len(COMMENT.format("0" * 64))]
    first, directory = header_places(content)
    refused = 0
    for place in [*first[::3], *directory]:
        if place >= len(body):
            continue
        for bit in (1 << place % 8, 1 << (place + 3) % 8):
            changed = bytearray(body)
            changed[place] ^= bit
            try:
                loaded = load(sealed(bytes(changed)))
            except TsdistillError:
                refused += 1
                continue
            np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    assert refused > 800


def test_a_flipped_bit_of_the_configuration_never_ends_in_an_error_of_another_kind(content, load):
    (name, text), tensors = members_of(content)
    refused = 0
    for place in range(0, len(text), 2):
        changed = bytearray(text)
        changed[place] ^= 1 << (place // 2) % 7
        try:
            load(archive_of((name, bytes(changed)), tensors))
        except TsdistillError:
            refused += 1
    assert refused > 300


class Evil:
    """An object whose unpickling runs code."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code was run')",)


def bomb():
    """A member of 50 MB of zeros, compressed to 50 kB."""
    return ("tensors.safetensors", bytes(50_000_000))


def tensors_with(header, data=b""):
    """A safetensors member with this header."""
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    return ("tensors.safetensors", struct.pack("<Q", len(text)) + text + data)


def tensor(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HUGE = 2**62
CONTAINERS = {
    "a pickle": lambda c: pickle.dumps(Evil()),
    "a sealed pickle": lambda c: sealed(pickle.dumps(Evil())),
    "a pickle as tensors": lambda c: archive_of(
        members_of(c)[0], ("tensors.safetensors", pickle.dumps(Evil()))
    ),
    "a pickle beside": lambda c: archive_of(*members_of(c), ("data.pkl", pickle.dumps(Evil()))),
    "a path that escapes": lambda c: archive_of(*members_of(c), ("../../escaped", b"x")),
    "an absolute path": lambda c: archive_of(("/etc/config.json", b"{}"), members_of(c)[1]),
    "names twice": lambda c: archive_of(*members_of(c), *members_of(c)),
    "another order": lambda c: archive_of(*members_of(c)[::-1]),
    "one member": lambda c: archive_of(members_of(c)[0]),
    "no member": lambda c: archive_of(),
    "nothing": lambda c: sealed(b""),
    "a compressed bomb": lambda c: archive_of(
        members_of(c)[0], bomb(), compression=zipfile.ZIP_DEFLATED
    ),
    "bytes before": lambda c: sealed(b"junk" + c[: -len(COMMENT.format("0" * 64))]),
    "an empty configuration": lambda c: archive_of(("config.json", b""), members_of(c)[1]),
    "a list": lambda c: archive_of(("config.json", b"[1]"), members_of(c)[1]),
    "deep JSON": lambda c: archive_of(
        ("config.json", b"[" * 500_000 + b"]" * 500_000), members_of(c)[1]
    ),
    "deep JSON inside": lambda c: archive_of(
        ("config.json", b'{"format": 1, "a": ' + b'{"a":' * 90_000), members_of(c)[1]
    ),
    "NaN in JSON": lambda c: archive_of(("config.json", b'{"format": NaN}'), members_of(c)[1]),
    "a number beyond floats": lambda c: archive_of(
        ("config.json", b'{"format": 1e999}'), members_of(c)[1]
    ),
    "a number of many digits": lambda c: archive_of(
        ("config.json", b'{"format": ' + b"9" * 10_000 + b"}"), members_of(c)[1]
    ),
    "a name twice in JSON": lambda c: archive_of(
        ("config.json", b'{"format": 1, "format": 1}'), members_of(c)[1]
    ),
    "no text": lambda c: archive_of(("config.json", b"\xff\xfe{}"), members_of(c)[1]),
    "a long configuration": lambda c: archive_of(
        ("config.json", b" " * 5_000_000 + b"{}"), members_of(c)[1]
    ),
    "no tensors": lambda c: archive_of(members_of(c)[0], ("tensors.safetensors", b"")),
    "a huge header": lambda c: archive_of(
        members_of(c)[0], ("tensors.safetensors", struct.pack("<Q", HUGE) + b"{}")
    ),
    "a huge tensor": lambda c: archive_of(
        members_of(c)[0], tensors_with({"a": tensor(shape=(HUGE,), offsets=(0, HUGE))})
    ),
    "a shape that overflows": lambda c: archive_of(
        members_of(c)[0], tensors_with({"a": tensor(shape=(HUGE, HUGE))}, bytes(4))
    ),
    "overlapping tensors": lambda c: archive_of(
        members_of(c)[0], tensors_with({"a": tensor(), "b": tensor()}, bytes(4))
    ),
    "a tensor beyond the end": lambda c: archive_of(
        members_of(c)[0], tensors_with({"a": tensor(offsets=(4, 8))}, bytes(4))
    ),
    "an unknown type": lambda c: archive_of(
        members_of(c)[0], tensors_with({"a": tensor(dtype="OBJECT")}, bytes(4))
    ),
    "no header": lambda c: archive_of(members_of(c)[0], tensors_with(b"not json", bytes(4))),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_hostile_containers_are_refused_in_little_memory(name, content, load, tmp_path):
    hostile = CONTAINERS[name](content)
    tracemalloc.start()
    try:
        with pytest.raises(SavedFileError):
            load(hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * len(hostile) + 2_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["hostile.tsdistill"]


def test_a_later_format_says_what_to_do(content, load):
    def later(config):
        config["format"] = 3

    with pytest.raises(
        SavedFileError, match="format version 3.*reads 1 and 2; install a later version"
    ):
        load(with_config(content, later))
    for value in (True, None, "1", [1], {"a": 1}):
        with pytest.raises(SavedFileError, match="format version"):
            load(with_config(content, lambda config, value=value: config.update(format=value)))


PLACES = (
    "kind", "parameters", "classes", "series", "window_width", "n_queries", "terms",
    "trained_on_constants", "network", "teacher_factors",
)  # fmt: skip
WRONG = (None, [], {}, "x", -1, 0, 10**30, 0.5, True, [[1]], {"dtype": "<i8", "values": [1]})


@pytest.mark.parametrize("place", PLACES)
def test_values_of_the_wrong_kind_end_in_a_named_error_or_change_nothing(place, content, load):
    """Also where a part is missing, or something more is there."""
    changes = [lambda config: config.pop(place) and None]
    changes += [lambda config, value=value: config.update({place: value}) for value in WRONG]
    inner = json.loads(members_of(content)[0][1])[place]
    if isinstance(inner, dict):
        for key in inner:
            changes.append(lambda config, key=key: config[place].pop(key) and None)
            changes += [
                lambda config, key=key, value=value: config[place].update({key: value})
                for value in WRONG
            ]
        changes.append(lambda config: config[place].update(more=1))
    n_refused = 0
    for change in changes:
        try:
            loaded = load(with_config(content, change))
            assert loaded.predict_proba(loaded._baselines.series).shape[1] == 3
        except TsdistillError:
            n_refused += 1
    assert n_refused > 0 or place == "trained_on_constants"


def changed_student(**parameters):
    def change(config):
        config["network"]["student"]["parameters"].update(parameters)

    return change


@pytest.mark.parametrize(
    "change",
    [
        changed_student(n_filters=10**9),
        changed_student(n_filters=10**30),
        changed_student(n_filters=-1),
        changed_student(n_filters=True),
        changed_student(kernel_sizes={"tuple": [1] * 300_000}),
        changed_student(kernel_sizes={"tuple": [10**8 + 1, 5, 3]}),
        changed_student(kernel_sizes=None),
        changed_student(evil=1),
        lambda config: config["network"].update(student={"name": "os", "parameters": {}}),
        lambda config: config["network"].update(
            student={
                "name": "inception",
                "parameters": {
                    "n_filters": 8, "n_blocks": 10**9, "kernel_sizes": {"tuple": [39, 19, 9]}
                },
            }
        ),
        lambda config: config["network"].update(
            student={
                "name": "gru",
                "parameters": {"hidden_size": 24, "n_layers": 10**9, "bidirectional": False},
            }
        ),
        lambda config: config["network"].update(layers=[{"n_filters": 10**12}]),
        lambda config: config["network"].update(layers=[{"n_filters": 8}] * 1000),
        lambda config: config["series"].update(n_timepoints=10**12),
        lambda config: config["series"].update(n_channels=10**12),
        lambda config: config["parameters"].update(evil=1),
        lambda config: config["parameters"].update(memory="/tmp/evil"),
        lambda config: config["parameters"].update(callbacks=[1]),
        lambda config: config["parameters"].update(n_jobs=100_000),
        lambda config: config["classes"].update(dtype="(2,,3)f4"),
        lambda config: config["classes"].update(dtype="M8[0s]"),
        lambda config: config["classes"].update(values=[1, 1, 1]),
        lambda config: config["classes"].update(dtype="|O", values=[1, [2], None]),
        lambda config: config["network"].update(bits=8),
        lambda config: config.update(terms="abc"),
        lambda config: config["series"].update(channel_names="abc"),
        lambda config: config["network"].update(
            student={
                "name": "lite",
                "parameters": {
                    "n_filters": 8, "kernel_sizes": {"tuple": [39, 19, 9]}, "stride": 2,
                    "dilation": 2**20,
                },
            }
        ),
        lambda config: config["parameters"].update(student={"student": {"name": "sys"}}),
        lambda config: config["parameters"].update(
            auxiliary={"objectives": [{"name": "__builtins__", "parameters": {}}]}
        ),
        lambda config: config["parameters"].update(
            auxiliary={"objectives": [{"name": "Label", "parameters": {"evil": 1}}]}
        ),
    ],
)  # fmt: skip
def test_hostile_configurations_are_refused_in_little_memory(change, content, load):
    hostile = with_config(content, change)
    tracemalloc.start()
    try:
        with pytest.raises(TsdistillError):
            load(hostile)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * len(hostile) + 2_000_000


def test_weights_that_are_not_finite_or_have_other_shapes_are_refused(content, load):
    from safetensors.numpy import load as unpacked
    from safetensors.numpy import save as packed

    config, (name, data) = members_of(content)
    tensors = unpacked(data)
    for key, value in tensors.items():
        others = [value.astype(np.float16), value[..., None], np.zeros((0, *value.shape[1:]))]
        if value.dtype.kind == "f":
            others.append(np.where(np.arange(value.size).reshape(value.shape) == 0, np.nan, value))
            others.append(np.full_like(value, np.inf))
        for other in others:
            with pytest.raises(SavedFileError):
                load(archive_of(config, (name, packed(tensors | {key: np.array(other)}))))
        with pytest.raises(SavedFileError):
            load(archive_of(config, (name, packed({k: v for k, v in tensors.items() if k != key}))))
    with pytest.raises(SavedFileError):
        load(archive_of(config, (name, packed(tensors | {"more": np.zeros(1)}))))
