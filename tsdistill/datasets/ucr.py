"""Reads files of the UCR archive, in its own .tsv layout or the .ts of sktime and aeon.

Nothing is downloaded: sets are read from a folder, or from the sets that sktime ships.
"""

import difflib
import importlib.util
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence
from reprlib import repr as short
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsdistill.exceptions import DatasetError, PanelError, ParameterError
from tsdistill.inputs.checks import check_choice, check_flag, shown
from tsdistill.inputs.formats import TO_ONE_LENGTH
from tsdistill.inputs.series import FLOAT32_MAX
from tsdistill.inputs.types import Float32Array, FloatArray, Path

Split = Literal["train", "test", "all"]
SPLITS: dict[Split, tuple[str, ...]] = {
    "train": ("TRAIN",),
    "test": ("TEST",),
    "all": ("TRAIN", "TEST"),
}
LAYOUTS = ("tsv", "ts")
SIGNED = re.compile(r"\+\d+")
DECIMAL = re.compile(r"[+-]?\d+(\.\d*([eE][+-]?\d+)?|[eE][+-]?\d+)")
MOST_LISTED = 20
MOST_ROWS = 5


def load_ucr(
    name: str, split: Split = "train", data_dir: Path | None = None, *, allow_nan: bool = False
) -> tuple[Float32Array, NDArray[np.str_]]:
    """Load a data set of the UCR archive, or any set in its layout.

    Parameters
    ----------
    name : str
        Name of the set as the archive spells it, such as "GunPoint".
    split : {"train", "test", "all"}, default="train"
        "all" gives the training series first, then the test series.
    data_dir : path, default=None
        Folder that contains ``<name>/<name>_TRAIN.tsv`` (label, then values, separated by tabs)
        or ``<name>/<name>_TRAIN.ts`` (the format of sktime and aeon), and the same for TEST; or
        the folder of these files itself. If both layouts exist, the one with both splits is
        preferred, then .tsv. If data_dir is None or lacks the set, the sets that sktime ships
        are searched.
    allow_nan : bool, default=False
        Whether to read a set with gaps or with series of unequal length: NaN stands for missing
        values, and fills shorter series up at their end, as ``SaliencyDistilledClassifier`` takes
        series of unequal length. By default such a set is an error, since most classifiers do not.

    Returns
    -------
    X : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        The series.
    y : ndarray of shape (n_instances,), str
        Labels as the file writes them, except that whole numbers lose their sign "+" and
        decimal point: "1.0", "1.0000000e+00" and "+1" become "1", so that both layouts agree.

    Raises
    ------
    DatasetError
        If the set or one of its splits is not found; the error lists the sets that are. It is
        also a FileNotFoundError.
    PanelError
        If series are of unequal length or have missing values (unless ``allow_nan``), or a file
        is damaged.
    ParameterError
        If name, split, data_dir or allow_nan is invalid.

    See Also
    --------
    sktime.datasets.load_UCR_UEA_dataset : Downloads a set of the archive.
    make_freq_shapes : Makes a set whose true saliency is known.

    References
    ----------
    Dau et al.: The UCR time series archive. IEEE/CAA Journal of Automatica Sinica 6(6), 2019.

    Examples
    --------
    >>> from tsdistill.datasets import load_ucr
    >>> X, y = load_ucr("ItalyPowerDemand", split="test")
    >>> X.shape, X.dtype, y[:3].tolist()
    ((1029, 1, 24), dtype('float32'), ['2', '2', '2'])
    """
    if not isinstance(name, str) or not name or pathlib.PurePath(name).name != name:
        raise ParameterError(
            f"name={shown(name)}; expected the name of a data set, such as 'GunPoint'."
        )
    check_choice("split", split, SPLITS)
    check_flag("allow_nan", allow_nan)
    try:
        paths = _paths(name, SPLITS[split], _places(data_dir))
    except OSError as error:
        if isinstance(error, DatasetError):
            raise
        reason = error.strerror or type(error).__name__
        raise DatasetError(f"name={shown(name)} cannot be looked up: {reason}.") from error
    parts = [_read(path, allow_nan) for path in paths]
    lengths = [X.shape[1:] for X, _ in parts]
    if allow_nan:
        longest = max(length for _, length in lengths)
        parts = [(_filled_up(X, longest), y) for X, y in parts]
        lengths = [X.shape[1:] for X, _ in parts]
    if len(set(lengths)) > 1:
        raise PanelError(
            f"{name}: training series have (n_channels, n_timepoints) = {lengths[0]} and test "
            f"series {lengths[1]}; read one split at a time."
        )
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


def _filled_up(X: Float32Array, n_timepoints: int) -> Float32Array:
    """Series with NaN at their end, up to a length."""
    missing = n_timepoints - X.shape[2]
    return np.pad(X, ((0, 0), (0, 0), (0, missing)), constant_values=np.nan)


def _places(data_dir: Path | None) -> list[tuple[str, pathlib.Path]]:
    """Places to search, as pairs of the name for errors and the path."""
    places = []
    if data_dir is not None:
        if not isinstance(data_dir, (str, os.PathLike)):
            raise ParameterError(f"data_dir={shown(data_dir)}; expected a path or None.")
        path = pathlib.Path(data_dir).expanduser()
        if not path.is_dir():
            raise DatasetError(
                f"data_dir={str(data_dir)!r} is not a folder; pass the folder of the sets."
            )
        places.append((f"data_dir={str(data_dir)!r}", path))
    # Importing sktime would take seconds.
    sktime = importlib.util.find_spec("sktime")
    if sktime is not None and sktime.origin is not None:
        places.append(("sktime", pathlib.Path(sktime.origin).parent / "datasets" / "data"))
    return places


def _paths(
    name: str, wanted: Sequence[str], places: list[tuple[str, pathlib.Path]]
) -> list[pathlib.Path]:
    """The files of the wanted splits, in the first place that has the set."""
    for place, path in places:
        for folder in (path / name, path):
            files = {
                layout: {
                    split: folder / f"{name}_{split}.{layout}"
                    for split in SPLITS["all"]
                    if (folder / f"{name}_{split}.{layout}").is_file()
                }
                for layout in LAYOUTS
            }
            if not any(files.values()):
                continue
            usable = [found for found in files.values() if found.keys() >= set(wanted)]
            if not usable:
                there = ", ".join(p.name for found in files.values() for p in found.values())
                raise DatasetError(
                    f"{place} has no {' and '.join(f'{name}_{split}' for split in wanted)} in one "
                    f"layout, .tsv or .ts; {str(folder)!r} has {there}."
                )
            most = max(usable, key=len)
            return [most[split] for split in wanted]
    names = [(place, _names(path)) for place, path in places]
    close = _close(name, sorted({one for _, found in names for one in found}))
    listed = "; ".join(f"{place} has {_listed(found, close)}" for place, found in names)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    if len(places) == 1:
        hint += f" Pass data_dir, a folder that contains {name}/{name}_TRAIN.tsv or .ts."
    raise DatasetError(f"name={shown(name)}: not found, and nothing is downloaded.{hint} {listed}.")


def _names(path: pathlib.Path) -> list[str]:
    """Names of the sets of a folder, whose files are in it or in a subfolder of that name."""
    if not path.is_dir():
        return []
    found: set[str] = set()
    for folder in (path, *(p for p in path.iterdir() if p.is_dir())):
        for layout in LAYOUTS:
            for split in SPLITS["all"]:
                ending = f"_{split}.{layout}"
                names = {p.name.removesuffix(ending) for p in folder.glob(f"*{ending}")}
                found |= names if folder == path else names & {folder.name}
    return sorted(found)


def _close(name: str, names: list[str]) -> list[str]:
    """Names similar to a name, ignoring case, the most similar first."""
    by_lower = {known.lower(): known for known in names}
    return [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower)]


def _listed(names: list[str], close: list[str]) -> str:
    if not names:
        return "none"
    ordered = [name for name in close if name in names]
    ordered += [name for name in names if name not in close]
    more = f" and {len(ordered) - MOST_LISTED} more" if len(ordered) > MOST_LISTED else ""
    return ", ".join(ordered[:MOST_LISTED]) + more


def _read(path: pathlib.Path, allow_nan: bool) -> tuple[Float32Array, NDArray[np.str_]]:
    """Read a file: X (n_instances, n_channels, n_timepoints), float32, and labels."""
    try:
        X, labels = (_read_tsv if path.suffix == ".tsv" else _read_ts)(path)
    except UnicodeDecodeError as error:
        raise PanelError(f"{path} is damaged, or not a text file: {error}.") from error
    if not allow_nan:
        _check_complete(X, path)
    large = (np.abs(X) > FLOAT32_MAX).any(axis=(1, 2))
    if large.any():
        raise PanelError(
            f"{path} has infinite values, or values too large for float32, in {large.sum()} of "
            f"{len(X)} series ({_rows(large)}); correct or rescale them first."
        )
    return X.astype(np.float32), np.array([_label(text) for text in labels])


def _check_complete(X: FloatArray, path: pathlib.Path) -> None:
    """Refuse series of unequal length, and gaps."""
    n_instances, _, n_timepoints = X.shape
    missing = np.isnan(X)
    # The archive pads shorter series with NaN at the end.
    shorter, gaps = missing[:, :, -1].any(axis=1), missing.any(axis=(1, 2))
    if shorter.any():
        raise PanelError(
            f"{path} has series of unequal length: {shorter.sum()} of {n_instances} end before "
            f"the longest one's {n_timepoints} timepoints ({_rows(shorter)}). Read them with "
            f"allow_nan=True, which fills them up with NaN; then {TO_ONE_LENGTH}."
        )
    if gaps.any():
        raise PanelError(
            f"{path} has missing values: in {gaps.sum()} of {n_instances} series ({_rows(gaps)}). "
            "Read them with allow_nan=True; then fill them, for example with "
            "FitInTransform(Imputer('linear')) of sktime.transformations, or let a student take "
            "them with missing='mask'."
        )


def _rows(which: ArrayLike) -> str:
    rows = np.flatnonzero(which)
    more = ", ..." if len(rows) > MOST_ROWS else ""
    return f"rows {', '.join(map(str, rows[:MOST_ROWS]))}{more}, counted from 0"


def _label(text: str) -> str:
    """Rewrite a label so that it is the same in both layouts."""
    if SIGNED.fullmatch(text):
        return text[1:]
    if DECIMAL.fullmatch(text) and float(text).is_integer():
        return str(int(float(text)))
    return text


def _read_tsv(path: pathlib.Path) -> tuple[FloatArray, list[str]]:
    with open(path, encoding="utf-8-sig") as file:
        lines = [(number, line.strip("\r\n")) for number, line in enumerate(file, start=1)]
    lines = [(number, line) for number, line in lines if line.strip()]
    if not lines:
        raise PanelError(f"{path} holds no series.")
    try:
        table = np.loadtxt([line for _, line in lines], delimiter="\t", comments=None, ndmin=2)
    except ValueError as error:
        rows = ((number, fields, fields) for number, fields in _split(lines, "\t"))
        raise PanelError(f"{path}{_damage(rows, 'tabs', error)}.") from error
    if table.shape[1] < 2:
        raise PanelError(
            f"{path}, line {lines[0][0]}: found one value; expected a label and a series, "
            "separated by tabs."
        )
    unlabelled = np.flatnonzero(~np.isfinite(table[:, 0]))
    if len(unlabelled):
        raise PanelError(f"{path}, line {lines[unlabelled[0]][0]}: the series has no label.")
    return table[:, np.newaxis, 1:], [line.split("\t", 1)[0].strip() for _, line in lines]


def _read_ts(path: pathlib.Path) -> tuple[FloatArray, list[str]]:
    from sktime.datasets import load_from_tsfile_to_dataframe

    header, lines = _split_ts(path)
    if header.get("@targetlabel", "").lower() == "true":
        raise PanelError(f"{path} has numbers as targets (@targetLabel); expected class labels.")
    if not header.get("@classlabel", "").lower().startswith("true"):
        raise PanelError(f"{path} has no labels; expected a line '@classLabel true ...'.")
    if not lines:
        raise PanelError(f"{path} holds no series.")
    try:
        cells = load_from_tsfile_to_dataframe(str(path))[0].to_numpy()
    except UnicodeDecodeError:
        raise
    except Exception as error:  # the reader raises many kinds
        rows: Iterable[tuple[int, list[str], list[str]]] = []
        if header.get("@timestamps", "").lower() == "false":
            rows = (
                (number, parts, ",".join(filter(str.strip, parts[:-1])).split(","))
                for number, parts in _split(lines, ":")
            )
        raise PanelError(f"{path}{_damage(rows, 'colons', error)}.") from error
    labels = [line.rsplit(":", 1)[-1].strip() for _, line in lines]
    known = {_label(text) for text in header["@classlabel"].lower().split()[1:]}
    for (number, _), label in zip(lines, labels, strict=True):
        if _label(label.lower()) not in known:
            raise PanelError(
                f"{path}, line {number}: the label {short(label)} is none of those in the line "
                "@classLabel."
            )
    X = np.full((*cells.shape, max(len(series) for series in cells.flat)), np.nan)
    if not X.size:
        raise PanelError(f"{path} has series without values.")
    for place in np.ndindex(cells.shape):
        X[place][: len(cells[place])] = cells[place]
    return X, labels


def _split_ts(path: pathlib.Path) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """Header as a dict from tag in lower case to value, and the numbered lines of data."""
    header: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    in_data = False
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            line = line.strip()
            if in_data and line:
                lines.append((number, line))
            elif line.lower() == "@data":
                in_data = True
            elif line.startswith("@"):
                tag, _, value = line.partition(" ")
                header[tag.lower()] = value.strip()
    return header, lines


def _split(lines: list[tuple[int, str]], separator: str) -> Iterator[tuple[int, list[str]]]:
    return ((number, line.split(separator)) for number, line in lines)


def _damage(
    rows: Iterable[tuple[int, list[str], list[str]]], separators: str, error: Exception
) -> str:
    """Describe the first damaged line; rows are (line number, parts, parts that are numbers)."""
    first: tuple[int, int] | None = None
    for number, parts, numbers in rows:
        first = first or (number, len(parts))
        if len(parts) != first[1]:
            return (
                f", line {number}: {len(parts)} parts separated by {separators}, but line "
                f"{first[0]} has {first[1]}"
            )
        for value in numbers:
            if not _is_number(value):
                return f", line {number}: {short(value)} where a number is expected"
    return f" is damaged: {error}"


def _is_number(text: str) -> bool:
    try:
        float(text.replace("?", "nan"))
    except ValueError:
        return False
    return True
