"""Hostile variants of real small files, the same in every run: each is a name and bytes."""

import io
import json
import pickle
import random
import struct
import zipfile

import numpy as np

from tests.export.test_archive import archive_of, members_of, sealed
from tsdistill.export.archive import COMMENT, archive_bytes, content_of

SEAL = len(COMMENT.format("0" * 64))
HUGE = 2**62
WRONG_VALUES = (None, True, -1, 0.5, 2**70, "x", [], {}, [[1]], {"dict": [[1, 2]]}, {"bytes": "zz"})


class Marking:
    """Its unpickling, if it ever happened, would end the process."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code was run')",)


def truncations(content, n):
    """A file cut off at about ``n`` places."""
    step = max(1, len(content) // n)
    return [(f"cut at {end}", content[:end]) for end in range(0, len(content), step)]


def flips(content, n, seed, first=0, end=None):
    """A file with one flipped bit, ``n`` times."""
    found, choice = [], random.Random(seed)
    for _ in range(n):
        place, bit = choice.randrange(first, end or len(content)), choice.randrange(8)
        changed = bytearray(content)
        changed[place] ^= 1 << bit
        found.append((f"bit {bit} of byte {place}", bytes(changed)))
    return found


def of_archive(content):
    """Hostile variants of a file that ``save`` wrote; most have a right checksum."""
    body, members = content[:-SEAL], members_of(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        directory = archive.start_dir
    found = truncations(content, 20) + flips(content, 20, seed=0)
    found += [(f"sealed, {name}", sealed(one)) for name, one in truncations(body, 20)]
    for first, end, n in ((0, None, 60), (0, 90, 25), (directory, None, 40)):
        found += [(f"sealed, {name}", sealed(one)) for name, one in flips(body, n, n, first, end)]
    for name, one in flips(members[0][1], 90, seed=1):
        found.append((f"configuration, {name}", archive_of((members[0][0], one), members[1])))
    for name, one in flips(members[1][1], 60, seed=2):
        found.append((f"tensors, {name}", archive_of(members[0], (members[1][0], one))))
    return found + _members(members) + _configs(content) + _tensors(content) + _sizes(body)


def _members(members):
    """Archives of other members than they should have."""
    config, tensors = members
    code = pickle.dumps(Marking())
    escapes = ("../../escaped", "/tmp/escaped", "..\\escaped", "C:\\escaped", "config.json/../x")
    variants = {
        "members swapped": (tensors, config),
        "members doubled": (config, tensors, config, tensors),
        "one member thrice": (config, config, config),
        "a pickle as the tensors": (config, (tensors[0], code)),
        "a pickle as the configuration": ((config[0], code), tensors),
        "a pickle beside": (config, tensors, ("data.pkl", code)),
        "a pickle of torch's": (("archive/data.pkl", code), ("archive/version", b"3")),
        "names in capitals": (("CONFIG.JSON", config[1]), tensors),
        "a name with a NUL": (("config.json\0.txt", config[1]), tensors),
    }
    variants |= {f"member {name}": ((name, config[1]), tensors) for name in escapes}
    variants |= {f"tensors {name}": (config, (name, tensors[1])) for name in escapes}
    found = [(name, archive_of(*some)) for name, some in variants.items()]
    bomb = archive_of(config, (tensors[0], bytes(30_000_000)), compression=zipfile.ZIP_DEFLATED)
    magic = [b"PK\5\6" + bytes(18), b"\x89PNG\r\n", b"\x80\x04", code, b"", b"\0" * 500]
    found += [(f"magic {one[:8]!r}", sealed(one)) for one in magic]
    return [*found, ("a compressed bomb", bomb)]


def _paths_of(value, path=()):
    """Places of all values of a configuration."""
    if not isinstance(value, (dict, list)):
        return
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        yield from _paths_of(one, (*path, key))


def _configs(content):
    """Configurations with a value of the wrong type, deep nesting or a long string."""
    (name, text), tensors = members_of(content)
    paths, choice, found = list(_paths_of(json.loads(text))), random.Random(3), []

    def changed(path, value):
        config = holder = json.loads(text)
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
        return archive_of((name, json.dumps(config)), tensors)

    for path in choice.sample(paths, min(110, len(paths))):
        value = choice.choice(WRONG_VALUES)
        found.append((f"{path} is {value}", changed(path, value)))
    for path in choice.sample(paths, 8):
        nested = "x"
        for _ in range(300):
            nested = {"tuple": [nested]} if choice.random() < 0.5 else [nested]
        found.append((f"{path} is nested deeply", changed(path, nested)))
        found.append((f"{path} is a long string", changed(path, "y" * 1_000_000)))
    deep = (b'{"format": 1, "kind": ' + b"[" * 100_000, b"[" * 200_000 + b"]" * 200_000)
    return found + [
        (f"JSON of {len(one)} brackets", archive_of((name, one), tensors)) for one in deep
    ]


def _tensors(content):
    """Tensors of another type or shape, with NaN, or missing."""
    config, tensors = content_of(content)
    changes = {
        "float16": lambda one: one.astype(np.float16),
        "int8": lambda one: one.astype(np.int8),
        "one more axis": lambda one: one[np.newaxis],
        "one row more": lambda one: np.concatenate([one, one[:1]]) if one.ndim else one + 1,
        "empty": lambda one: one.reshape(-1)[:0],
        "flat": lambda one: one.reshape(-1) if one.ndim != 1 else one[:, np.newaxis],
        "NaN": lambda one: np.full_like(one, np.nan if one.dtype.kind == "f" else -1),
        "huge": lambda one: np.full_like(
            one, np.finfo(one.dtype).max if one.dtype.kind == "f" else 2 ** (7 * one.itemsize)
        ) if one.dtype.kind in "fi" else ~one,
    }  # fmt: skip
    chosen = random.Random(4).sample(sorted(tensors), min(8, len(tensors)))
    found = []
    for name in chosen:
        for what, change in changes.items():
            changed = tensors | {name: change(tensors[name])}
            found.append((f"{name} is {what}", archive_bytes(config, changed)))
        left = {key: one for key, one in tensors.items() if key != name}
        found.append((f"{name} is missing", archive_bytes(config, left)))
    return found


def _sizes(body):
    """Sizes in the headers of the archive, and of the tensors, that are far too large."""
    found = []
    with zipfile.ZipFile(io.BytesIO(sealed(body))) as archive:
        start, second = archive.start_dir, archive.infolist()[1].header_offset
    for place in (start + 20, start + 24, 18, 22, second + 18, second + 22, len(body) - 6):
        for size in (2**32 - 1, 2**31, 0):
            changed = bytearray(body)
            changed[place : place + 4] = struct.pack("<I", size)
            found.append((f"size {size} at {place}", sealed(bytes(changed))))
    header = second + 30 + len("tensors.safetensors")
    for size in (HUGE, 2**32, 0, 1):
        changed = bytearray(body)
        changed[header : header + 8] = struct.pack("<Q", size)
        found.append((f"header of {size} bytes", sealed(bytes(changed))))
    return found


def of_contract(content):
    """Hostile variants of a contract in TOML, and texts that were never one."""
    found = truncations(content, 60) + flips(content, 120, seed=5)
    names = ("agreement", "kl", "negative_flips", "weights", "us_one_series", "ece")
    values = (
        "true", "'x'", "[]", "{}", "nan", "-inf", "1e400", "9" * 400, "9" * 5000, "1979-05-27",
        "-1", "0x" + "f" * 4000, "[[[[1]]]]", '"""\n"""', "0b1", "07:32:00",
    )  # fmt: skip
    for name in names:
        found += [
            (f"{name} = {value[:20]}", f"[demands]\n{name} = {value}\n".encode())
            for value in values
        ]
    texts = {
        "a pickle": pickle.dumps(Marking()),
        "deep arrays": b"a = " + b"[" * 20_000,
        "deep tables": b"a = " + b"{a=" * 20_000,
        "deep names": b"a." * 12_000 + b"a = 1",
        "a long name": b"[demands]\n" + b"a" * 500_000 + b" = 1",
        "a long text": b"[meta]\na = '" + b"a" * 5_000_000,
        "a name twice": b"[demands]\nkl = 1\nkl = 2",
        "a table twice": b"[demands]\nkl = 1\n[demands]\nece = 0.1",
        "latin": b"[meta]\na = '\xe9'",
        "a NUL": b"[demands]\nkl = 1\0",
        "nothing": b"",
        "code": b"__import__('os').system('true')",
        "a date for a number": b"confidence = 1979-05-27T07:32:00Z\n[demands]\nkl = 1",
    }
    return found + list(texts.items())


def of_arrays(content):
    """Hostile variants of ``data.npz``."""
    with np.load(io.BytesIO(content)) as file:
        arrays = {name: file[name] for name in file.files}
    X, code = arrays["X"], pickle.dumps(Marking())
    found = truncations(content, 40) + flips(content, 90, seed=6)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        directory = archive.start_dir
        members = [(name, archive.read(name)) for name in archive.namelist()]
    found += flips(content, 60, 7, directory) + flips(content, 30, 8, 0, 160)
    shapes = {
        "objects": np.array([Marking()] * len(X), dtype=object),
        "objects inside": np.array([(Marking(), 1)], dtype=[("a", object), ("b", int)]),
        "texts": X.astype(str),
        "complex": X.astype(complex),
        "fields": np.zeros(4, dtype=[("a", float)]),
        "dates": np.zeros(X.shape, dtype="M8[s]"),
        "bytes": np.zeros(len(X), dtype="V8"),
        "nothing": np.zeros((0, *X.shape[1:])),
        "a scalar": np.array(1.0),
        "NaN": np.full_like(X, np.nan),
        "infinity": np.full_like(X, np.inf),
        "one more axis": X[:, np.newaxis, np.newaxis],
        "fewer timesteps": X[:, :3],
    }
    for key in arrays:
        for what, value in shapes.items():
            found.append((f"{key} is {what}", _npz(arrays | {key: value})))
    headers = (
        (2**40,), (2**62, 2**62), (-1,), (1 << 33, 20), (10**30,), (0, 2**62), (2**31, 0),
    )  # fmt: skip
    for shape in headers:
        text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
        found.append((f"a header of {shape}", _zip(("X.npy", _npy(text) + bytes(64)))))
    texts = {
        "a call": b"{'descr': __import__('os').system('true')}\n",
        "deep": b"{'descr': " + b"(" * 5000 + b"\n",
        "long": b"{'descr': '<f8', " + b" " * 60_000 + b"}\n",
        "an object": b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n",
        "no type": b"{'descr': '<q99999', 'fortran_order': False, 'shape': (1,), }\n",
        "wide": b"{'descr': '<U99999999', 'fortran_order': False, 'shape': (9,), }\n",
    }
    found += [(f"a header, {k}", _zip(("X.npy", _npy(v) + code))) for k, v in texts.items()]
    zeros = _npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (40000000,), }\n")
    found += [
        ("a pickle", code),
        ("a pickle as a member", _zip(("X.npy", code))),
        ("a pickle beside", _zip(*members, ("evil.pkl", code))),
        ("a path that escapes", _zip(*members, ("../../escaped.npy", members[0][1]))),
        ("members doubled", _zip(*members, *members)),
        ("one array", members[0][1]),
        ("an empty archive", _zip()),
        ("a member without an array", _zip(("X.npy", b""), *members[1:])),
        ("an unknown name", _npz(arrays | {"Z": X})),
        ("nothing", b""),
    ]
    huge = _npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,), }\n")
    found.append(("a huge array of that size", _of_size(("X.npy", huge), 8 * 2**40 + len(huge))))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        bomb = _zip(("X.npy", zeros + bytes(60_000_000)), method=method)
        found.append((f"a bomb of method {method}", bomb))
    return found


def _npz(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def _npy(header):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def _zip(*members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
    return file.getvalue()


def _of_size(member, size):
    """An archive of one member, whose directory says that it has this size."""
    content = bytearray(_zip(member))
    start = content.rindex(b"PK\1\2")
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    name_end = start + 46 + len(member[0])
    content[start + 20 : start + 28] = b"\xff" * 8
    content[start + 30 : start + 32] = struct.pack("<H", len(extra))
    content[name_end:name_end] = extra
    end = content.rindex(b"PK\5\6")
    content[end + 12 : end + 16] = struct.pack("<I", end - start)
    return bytes(content)


def of_answers(content):
    """Damaged variants of a file of kept answers: none of them is what was written."""
    code = pickle.dumps(Marking())
    first = content.index(b"\n", content.index(b"\n") + 1) + 1
    found = truncations(content, 25) + flips(content, 50, 9) + flips(content, 20, 10, 0, first)
    sizes = (0, 1, 2**31, 2**32 - 1)
    for place in (first, first + 4, first + 8):
        for size in sizes:
            changed = bytearray(content)
            changed[place : place + 4] = struct.pack("<I", size)
            found.append((f"{size} at {place}", bytes(changed)))
    magic, rest = content.split(b"\n", 1)
    texts = {
        "a pickle": code,
        "a pickle after the header": content[:first] + code,
        "a pickle before": code + content,
        "deep JSON": magic + b"\n" + b"[" * 4000 + b"\n" + rest,
        "a long header": magic + b"\n" + b" " * 10_000_000,
        "another version": content.replace(b'"version": "', b'"version": "9', 1),
        "JSON of another kind": magic + b"\n[1]\n" + content[first:],
    }
    return [(k, v) for k, v in [*found, *texts.items()] if v != content]
