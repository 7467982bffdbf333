"""A SwapContract as TOML."""

import difflib
import json
import os
import re
import sys
from typing import Any

from tsdistill.exceptions import FileMissingError, ParameterError, PathError
from tsdistill.inputs.checks import is_whole, quoted, shown
from tsdistill.inputs.files import check_path
from tsdistill.inputs.types import Path
from tsdistill.swap.demands import DEMANDS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLES = ("confidence", "demands", "meta")
LARGEST = 256 * 1024
_PART = r"""(?:"[^"\n]*"|'[^'\n]*'|(?<![\w-])[\w-]+)"""
DEEP_NAME = re.compile(rf"(?:{_PART}[ \t]*\.[ \t]*){{32}}")
"""A name of so many parts, for which a parser of TOML takes the square of time and memory."""


def read_contract(source: Path) -> dict[str, Any]:
    """The arguments of a SwapContract from a file or a text, see its ``from_toml``.

    Parameters
    ----------
    source : str or path

    Returns
    -------
    arguments : dict of str to object

    Raises
    ------
    FileMissingError, PathError
        If the file cannot be read.
    ParameterError
        If it is no TOML, or holds an unknown name.
    """
    text, where = _text_of(source)
    if deep := DEEP_NAME.search(text):
        raise ParameterError(f"{where} has a name of too many parts: {shown(deep[0])}.")
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: of numbers with too many digits
        raise ParameterError(f"{where} is no TOML: {error}.") from error
    check_names(tables, TABLES, where)
    demands, meta = tables.get("demands", {}), tables.get("meta")
    for name, table in (("demands", demands), ("meta", meta)):
        if not isinstance(table, (dict, type(None))):
            raise ParameterError(f"{where}: {name}={shown(table)}; expected a table, [{name}].")
    check_names(demands, DEMANDS, f"[demands] of {where}")
    confidence = {"confidence": tables["confidence"]} if "confidence" in tables else {}
    return demands | confidence | {"meta": meta}


def check_names(given, known, where):
    """Raise ParameterError for a name that is not known, with the nearest one that is.

    Parameters
    ----------
    given, known : iterable of str
    where : str
        Beginning of the message.
    """
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
            raise ParameterError(
                f"{where} has the unknown name {shown(name)}; expected {quoted(known)}.{hint}"
            )


def written_contract(
    confidence: float, demands: dict[str, float], meta: dict[str, str] | None
) -> str:
    """A contract as TOML.

    Parameters
    ----------
    confidence : float
    demands : dict of str to number
    meta : dict of str to str, or None

    Returns
    -------
    text : str
    """
    lines = [f"confidence = {_number(confidence)}", "", "[demands]"]
    lines += [f"{name} = {_number(limit)}" for name, limit in demands.items()]
    if meta is not None:
        lines += ["", "[meta]", *(f"{_text(name)} = {_text(text)}" for name, text in meta.items())]
    return "\n".join(lines) + "\n"


def _text_of(source):
    """The text of a contract, and how messages call it."""
    if isinstance(source, str) and _is_text(source):
        _check_length(len(source.encode("utf-8", "replace")), "the contract")
        return source, "the contract"
    check_path("source", source)
    shown_path = os.fspath(source)
    try:
        with open(source, "rb") as file:
            content = file.read(LARGEST + 1)
        _check_length(len(content), f"contract {shown_path!r}")
        return content.decode("utf-8"), f"contract {shown_path!r}"
    except FileNotFoundError as error:
        raise FileMissingError(f"contract {shown_path!r}: there is no such file.") from error
    except OSError as error:
        raise PathError(f"contract {shown_path!r} cannot be read: {error}.") from error
    except UnicodeDecodeError as error:
        raise ParameterError(f"contract {shown_path!r} is no text in UTF-8: {error}.") from error


def _check_length(n_bytes, where):
    if n_bytes > LARGEST:
        raise ParameterError(f"{where} is too long; expected {LARGEST} bytes at most.")


def _is_text(source):
    """Whether a string is TOML, not a path: it has several lines, or an = and no such file."""
    if "\n" in source:
        return True
    return "=" in source and not source.endswith(".toml") and not os.path.exists(source)


def _number(value):
    """A number as TOML has it."""
    return repr(int(value) if is_whole(value) else float(value))


def _text(value):
    """A text as TOML has it: with the escapes of JSON, and one more."""
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ParameterError(f"meta holds {shown(value)}, which UTF-8 cannot encode.") from error
    return text
