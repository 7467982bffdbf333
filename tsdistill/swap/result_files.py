"""A ContractResult as an HTML page, and as XML in JUnit's form."""

import re
from html import escape
from typing import Any
from xml.etree import ElementTree

from tsdistill.reporting.content_policy import policy, without_controls
from tsdistill.reporting.html import STYLE
from tsdistill.swap.verdict import BROKEN, KEPT, UNDECIDED

COLOURS = {KEPT: "#1d6f42", BROKEN: "#a93226", UNDECIDED: "#9a6400"}
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
OWN_STYLE = ".tsdistill td { text-align: left; white-space: normal; overflow-wrap: anywhere; }\n"


def junit_of(result: Any, name: str) -> str:
    """The XML of a result: a test suite with one test case for each demand.

    Parameters
    ----------
    result : ContractResult
    name : str
        Name of the suite.

    Returns
    -------
    xml : str
    """
    count = {status: sum(one.status == status for one in result.lines) for status in COLOURS}
    suite = ElementTree.Element(
        "testsuite", name=_as_xml(name), tests=str(len(result.lines)), time="0", skipped="0",
        failures=str(count[BROKEN]), errors=str(count[UNDECIDED]),
        timestamp=result.date.removesuffix("+00:00"),
    )  # fmt: skip
    about = {"n_series": result.n_series, "confidence": result.confidence}
    about |= {f"sha256 of {key}": digest for key, digest in result.digests.items()}
    about |= {f"version of {key}": version for key, version in result.versions.items()} | {
        f"meta: {key}": text for key, text in result.meta.items()
    }
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in about.items():
        ElementTree.SubElement(properties, "property", name=_as_xml(key), value=_as_xml(str(value)))
    for line in result.lines:
        case = ElementTree.SubElement(
            suite, "testcase", classname="tsdistill.SwapContract", name=f"{line.code} {line.name}",
            time="0",
        )  # fmt: skip
        message = _as_xml(line.message)
        if line.status != KEPT:
            kind = "failure" if line.status == BROKEN else "error"
            found = ElementTree.SubElement(case, kind, type=line.status, message=message)
            found.text = message
        ElementTree.SubElement(case, "system-out").text = message
    ElementTree.indent(suite)
    text = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def page_of_result(result: Any, title: str) -> str:
    """The HTML page of a result.

    Parameters
    ----------
    result : ContractResult
    title : str

    Returns
    -------
    html : str
    """
    rows = [
        f'<tr><td><strong style="color: {COLOURS[line.status]}">{line.status}</strong></td>'
        f"<td>{line.code}</td><td>{escape(line.title)} (<code>{line.name}</code>)</td>"
        f"<td>{escape(line.message)}</td></tr>"
        for line in result.lines
    ]
    head = "".join(f"<th>{name}</th>" for name in ("", "code", "what is demanded", "what is shown"))
    student = result.student | {"classes": ", ".join(result.student["classes"])}
    parts = [
        f"<style>{STYLE}{OWN_STYLE}</style></head>\n",
        f'<body class="tsdistill">\n<h1>{escape(title)}</h1>\n',
        f'<p class="verdict" style="color: {COLOURS[result.status]}">{escape(result.verdict)}</p>',
        f'<p class="about">Checked on {escape(result.date)}. Every bound holds with a probability '
        f"of {100 * result.confidence:.10g}&nbsp;%, for series drawn as these.</p>",
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>",
        _section("What it is about", result.meta) if result.meta else "",
        _section("Student", student),
        _section("SHA-256 digests", result.digests),
        _section("Versions", result.versions),
        f"<section><h2>Contract</h2><pre>{escape(result.contract)}</pre></section>",
    ]
    body = without_controls("\n".join(parts))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{policy()}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{without_controls(escape(title))}</title>{body}\n</body></html>\n"
    )


def _section(title, values):
    rows = "".join(
        f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<section><h2>{title}</h2><table><tbody>{rows}</tbody></table></section>"


def _as_xml(text):
    """A text with escapes in place of the characters that XML cannot hold."""
    return NOT_IN_XML.sub(lambda found: repr(found[0])[1:-1], text)
