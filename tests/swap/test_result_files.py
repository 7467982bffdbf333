"""A result with a line of each status, as a table, JSON, JUnit's XML and a page."""

import hashlib
import json
import re
from html import unescape
from xml.etree import ElementTree

import numpy as np
import pytest
from torch import nn

from tsdistill.swap.bounds import Counted, Share
from tsdistill.swap.demands import DEMANDS
from tsdistill.swap.digests import digests_of
from tsdistill.swap.result import ContractResult, now, versions
from tsdistill.swap.result_files import junit_of, page_of_result
from tsdistill.swap.verdict import judge

LINES = (
    judge(DEMANDS["agreement"], 0.9, Share(490, 500), 0.95),
    judge(DEMANDS["negative_flips"], 0.0105, Share(5, 500), 0.95),
    judge(DEMANDS["weights"], 9000, Counted(9001), 0.95),
)


def made_up(lines=LINES, **changed):
    about = {
        "confidence": 0.95,
        "n_series": 1500,
        "contract": "[demands]\nweights = 9000  # <b>\n",
        "meta": {"model & co": "v<3>"},
        "student": {"network": "Lite", "weights": 9001, "bits": 32, "classes": ["a", "<b>"]},
        "digests": {"series": "00ff"},
        "versions": {"numpy": "2.0"},
        "date": "2026-01-02T03:04:05+00:00",
    }
    return ContractResult(lines=lines, **about | changed)


def test_one_broken_line_breaks_it_and_one_undecided_leaves_it_open():
    kept, undecided, broken = LINES
    for lines, status in (
        ((kept, undecided, broken), "broken"),
        ((kept, undecided), "undecided"),
        ((kept, kept), "kept"),
    ):
        result = made_up(lines)
        assert (result.status, result.passed) == (status, status == "kept")
    assert repr(made_up()) == "<ContractResult: broken, 3 demands; print it>"
    assert made_up().verdict == (
        "The contract is broken: of 3 demands 1 kept, 1 broken, 1 undecided, on 1,500 series."
    )
    assert str(made_up()) == "\n".join(
        [
            made_up().verdict,
            f"  kept      {kept}",
            f"  undecided {undecided}",
            f"  broken    {broken}",
        ]
    )


def test_the_table_has_a_row_for_each_demand():
    frame = made_up().to_frame()
    assert frame.index.name == "code" and frame.index.tolist() == ["TSD101", "TSD301", "TSD401"]
    numbers = ["demand", "measured", "bound", "n_series", "n_to_settle"]
    assert frame.columns.tolist() == ["name", "status", "relation", *numbers, "message"]
    assert {str(kind) for kind in frame[numbers].dtypes} == {"float64"}
    for line in LINES:
        for name in frame.columns:
            shown, value = frame.loc[line.code, name], getattr(line, name)
            assert shown == value or (value is None and np.isnan(shown))


def test_json_holds_all_of_it(tmp_path):
    made_up().to_json(tmp_path / "out.json")
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    read = json.loads(text)
    assert len(text.splitlines()) > 50 and text.endswith("}\n")  # files that can be compared
    with pytest.raises(ValueError, match="not JSON compliant"):
        made_up(confidence=np.nan).to_json(tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text(encoding="utf-8") == text
    lines = read.pop("lines")
    assert [line["code"] for line in lines] == ["TSD101", "TSD301", "TSD401"]
    assert lines[2] == {
        "code": "TSD401", "name": "weights", "title": "weights of the student", "relation": "<=",
        "demand": 9000, "measured": 9001, "bound": 9001, "status": "broken", "n_series": None,
        "n_to_settle": None, "message": "demanded <= 9,000, counted 9,001",
    }  # fmt: skip
    told = vars(made_up())
    same = ("confidence", "n_series", "contract", "meta", "student", "digests", "versions", "date")
    assert read == {name: told[name] for name in same} | {
        "format": 1, "status": "broken", "passed": False
    }  # fmt: skip


def test_files_have_names_that_say_what_they_are(tmp_path):
    made_up().to_junit(tmp_path / "out.xml")
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert {one.get("name") for one in suite.iter("testsuite")} == {"tsdistill contract"}
    made_up().to_html(tmp_path / "out.html")
    assert "<title>Swap contract</title>" in (tmp_path / "out.html").read_text(encoding="utf-8")


def test_labels_that_json_does_not_have_are_digested_as_texts():
    panel, network = np.zeros((2, 1, 3), np.float32), nn.Linear(3, 2)
    days = np.array(["2026-01-02", "2026-01-03"], dtype="M8[D]")
    found = digests_of(panel, days, network, None)
    assert set(found) == {"series", "student", "labels"}
    assert found["labels"] == digests_of(panel, days.astype(str), network, None)["labels"]
    assert found["labels"] != digests_of(panel, days[::-1], network, None)["labels"]
    text = b'["2026-01-02", "2026-01-03"]'
    assert found["labels"] == hashlib.sha256(text).hexdigest()


def test_versions_and_the_date_are_those_of_now():
    found = versions()
    assert list(found) == ["tsdistill", "python", "numpy", "torch", "scikit-learn"]
    assert found["numpy"] == np.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", now())


def test_junit_has_what_a_ci_looks_for():
    text = junit_of(made_up(), "a & b")
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<testsuite ')
    suite = ElementTree.fromstring(text.encode())
    assert suite.attrib == {
        "name": "a & b", "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
        "time": "0", "timestamp": "2026-01-02T03:04:05",
    }  # fmt: skip
    about = {one.get("name"): one.get("value") for one in suite.findall("properties/property")}
    assert about == {
        "n_series": "1500", "confidence": "0.95", "sha256 of series": "00ff",
        "version of numpy": "2.0", "meta: model & co": "v<3>",
    }  # fmt: skip
    cases = suite.findall("testcase")
    for case, line, found in zip(cases, LINES, (None, "error", "failure"), strict=True):
        assert case.attrib == {
            "classname": "tsdistill.SwapContract", "name": f"{line.code} {line.name}", "time": "0"
        }  # fmt: skip
        assert [one.tag for one in case] == [*([found] if found else []), "system-out"]
        assert case.find("system-out").text == line.message
        if found:
            assert case.find(found).attrib == {"type": line.status, "message": line.message}
            assert case.find(found).text == line.message
    assert len(text.splitlines()) > 15  # for those who read it


@pytest.mark.parametrize("kept", ["\t", "\n", " ", "~", "\ud7ff", "\ue000", "\ufffd", "😀"])
def test_what_xml_can_hold_is_kept(kept):
    suite = ElementTree.fromstring(junit_of(made_up(meta={"a": f"x{kept}y"}), "a").encode())
    values = [one.get("value") for one in suite.iter("property")]
    assert values[-1] == f"x{kept}y"


@pytest.mark.parametrize(
    ("lost", "shown"),
    [("\0", r"\x00"), ("\x1f", r"\x1f"), ("\ud800", r"\ud800"), ("\ufffe", r"\ufffe")],
)
def test_what_xml_cannot_hold_is_escaped(lost, shown):
    suite = ElementTree.fromstring(junit_of(made_up(meta={"a": f"x{lost}y"}), "a").encode())
    values = [one.get("value") for one in suite.iter("property")]
    assert values[-1] == f"x{shown}y"


def cells(html):
    """The texts of the cells of each row."""
    return [
        [unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall("<t[hd]>(.*?)</t[hd]>", row)]
        for row in re.findall("<tr>(.*?)</tr>", html, re.DOTALL)
    ]


def test_the_page_shows_all_of_it_in_tables():
    page = page_of_result(made_up(), "Watch & <i>")
    assert page.startswith('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">')
    assert page.endswith("</body></html>\n") and "Content-Security-Policy" in page
    assert "<title>Watch &amp; &lt;i&gt;</title>" in page
    assert "<h1>Watch &amp; &lt;i&gt;</h1>" in page
    tables = re.findall("<table>.*?</table>", page, re.DOTALL)
    assert cells(tables[0]) == [
        ["", "code", "what is demanded", "what is shown"],
        *([one.status, one.code, f"{one.title} ({one.name})", one.message] for one in LINES),
    ]
    titles = re.findall("<h2>(.*?)</h2>", page)
    assert dict(zip(titles, map(cells, tables[1:]), strict=False)) == {
        "What it is about": [["model & co", "v<3>"]],
        "Student": [
            ["network", "Lite"],
            ["weights", "9001"],
            ["bits", "32"],
            ["classes", "a, <b>"],
        ],
        "SHA-256 digests": [["series", "00ff"]],
        "Versions": [["numpy", "2.0"]],
    }
    assert (
        titles[-1] == "Contract" and "<pre>[demands]\nweights = 9000  # &lt;b&gt;\n</pre>" in page
    )
    for table in tables:
        between_cells = re.sub("<(t[hd])>.*?</\\1>", "", table, flags=re.DOTALL)
        assert re.sub("<[^>]*>", "", between_cells) == ""
    between = re.findall("(?:</table>|</section>)(.*?)(?:<section>|</body>)", page, re.DOTALL)
    assert len(between) > 4 and not re.sub("<[^>]*>", "", "".join(between)).strip()
    told = re.sub("<[^>]*>", "", page).replace("&nbsp;", " ")
    assert "Checked on 2026-01-02T03:04:05+00:00." in told and "a probability of 95 %" in told
    assert made_up().verdict in told
    assert re.search("<style>.*\\.tsdistill.*</style></head>", page, re.DOTALL)
    about = re.compile("<section><h2>What it is about</h2>.*?</section>")
    assert page_of_result(made_up(meta={}), "Watch & <i>") == about.sub("", page)


def test_each_status_has_a_colour_of_its_own():
    page = page_of_result(made_up(), "Watch")
    colour = dict(re.findall('<strong style="color: (#[0-9a-f]{6})">([a-z]+)</strong>', page))
    assert sorted(colour.values()) == ["broken", "kept", "undecided"]
    of_verdict = re.search('<p class="verdict" style="color: (#[0-9a-f]{6})">', page)
    assert colour[of_verdict[1]] == "broken"
