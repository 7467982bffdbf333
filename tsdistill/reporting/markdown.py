"""Text of users' own, such as labels, inside Markdown and YAML, where it stays text."""

import json
import re

SPECIAL = re.compile(r"[`*_{}\[\]<>|&#~$\\@^]|:(?=//)|(?<=www)\.", re.IGNORECASE)
"""Also what makes a link of an address that stands there as it is."""
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


def text_of(value: object) -> str:
    r"""A value as plain text on one line of Markdown, in a table too.

    Parameters
    ----------
    value : object
        Its ``str`` is shown. Line ends and other characters that cannot be seen become escapes.

    Returns
    -------
    text : str

    Examples
    --------
    >>> print(text_of("up & <b>|"))
    up &#38; &#60;b&#62;&#124;
    >>> print(text_of("two\nlines"))
    two&#92;nlines
    """
    shown = UNPRINTABLE.sub(lambda found: _escape(found[0]), str(value))
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", shown) or "&#32;"


def table_of(columns: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown.

    Parameters
    ----------
    columns : list of str
        Titles; those after the first are of numbers, and aligned to the right.
    rows : list of list of str
        Cells, as :func:`text_of` gives them.

    Returns
    -------
    table : str
        Without a line end.

    Examples
    --------
    >>> print(table_of(["class", "series"], [["up", "12"]]))
    | class | series |
    |---|---:|
    | up | 12 |
    """
    rule = "|---" + "|---:" * (len(columns) - 1) + "|"
    lines = [f"| {' | '.join(cells)} |" for cells in (columns, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def yaml_of(value: object, indent: int = 0) -> str:
    r"""Values as YAML, with every str in double quotes.

    Parameters
    ----------
    value : dict of str to value, list of dict or of scalars, str, int or float
        Keys of a dict are plain words. Lists and dicts are not empty.
    indent : int, default=0
        Spaces before each line.

    Returns
    -------
    text : str

    Examples
    --------
    >>> print(yaml_of({"license": "mit", "metrics": [{"type": "kl", "value": 0.5}]}))
    license: "mit"
    metrics:
    - type: "kl"
      value: 0.5
    >>> print(yaml_of({"name": "a: \"b\"\n"}))
    name: "a: \"b\"\n"
    """
    before = " " * indent
    if isinstance(value, dict):
        lines = []
        for key, inner in value.items():
            if isinstance(inner, (dict, list)):
                deeper = indent + 2 * isinstance(inner, dict)
                lines += [f"{before}{key}:", yaml_of(inner, deeper)]
            else:
                lines.append(f"{before}{key}: {_scalar(inner)}")
        return "\n".join(lines)
    if isinstance(value, list):
        return "\n".join(f"{before}- {yaml_of(one, indent + 2).lstrip(' ')}" for one in value)
    return before + _scalar(value)


def _scalar(value: object) -> str:
    quoted = json.dumps(value, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda found: _unicode_escape(found[0]), quoted)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _unicode_escape(character: str) -> str:
    if "\ud800" <= character <= "\udfff":  # no YAML reader takes it
        return "\\\\" + _escape(character)[1:]
    return f"\\u{ord(character):04x}"
