"""The model card: its head can be read, its tables hold, and it says what is known."""

import re

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from tests.conftest import bump_teacher
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.exceptions import ParameterError

yaml = pytest.importorskip("yaml")

HOSTILE = ["a: b\n---\n# no heading", '"x" | <b>*y*</b>', "\u2028`z`\ud800 {{ [w](u) $v$ }}"]
"""Labels that would break YAML, tables and pages."""


def head_and_body(card):
    """The values of the YAML, and the Markdown."""
    start, head, body = re.split(r"^---$", card, maxsplit=2, flags=re.MULTILINE)
    assert start == ""
    return yaml.safe_load(head), body


def section(card, title):
    return re.search(rf"^## {title}\n\n(.*?)(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)[1]


def test_evaluation_is_that_of_the_report(fitted, report):
    student = fitted[0]
    card = student.model_card(report, data="Bumps", name="bumps", license="bsd-3-clause")
    head, body = head_and_body(card)
    assert head["license"] == "bsd-3-clause" and head["library_name"] == "tsdistill"
    (entry,) = head["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "bumps" and result["dataset"] == {"type": "bumps", "name": "Bumps"}
    measured = {one["type"]: one["value"] for one in result["metrics"]}
    for name in ("agreement", "kl", "saliency", "accuracy", "negative_flips"):
        assert measured[name] == pytest.approx(getattr(report, name), abs=1e-6)
    assert not any(name.startswith("teacher") for name in measured)
    low, high = report.intervals["agreement"]
    rows = section(body, "Evaluation")
    assert f"| same prediction as the teacher | {report.agreement:.3f} | {low:.3f} | " in rows
    assert f"| {high:.3f} | 48 |" in rows
    assert "On 48 series of Bumps" in rows and "up &#38; away" in rows
    assert f"by {report.saliency:.3f}" in section(body, "Explanations")


def test_a_card_without_a_report_says_so(fitted):
    head, body = head_and_body(fitted[0].model_card())
    assert "model-index" not in head and "license" not in head
    assert "was not compared with its teacher" in section(body, "Evaluation")
    assert "was not measured" in section(body, "Explanations")
    assert body.startswith("\n\n# tsdistill student\n")
    titles = re.findall(r"^## (.*)$", body, re.MULTILINE)
    assert titles == [
        "Model description", "Intended use and limits", "How to use", "Training data", "Teacher",
        "Training procedure", "Evaluation", "Explanations", "Costs", "Citation",
    ]  # fmt: skip


def test_it_says_what_the_student_is_and_how_it_was_trained(fitted, quick, toy):
    student, _, _, y = fitted
    body = head_and_body(student.model_card(y=y))[1]
    assert "series of 1 channel and 20 timesteps" in section(body, "Model description")
    assert "for the teacher's reasons" in section(body, "Model description")
    assert "| up &#38; away | 16 | 0.333 |" in section(body, "Training data")
    assert section(body, "Teacher").startswith(f"bump&#95;teacher. The student rests on "
                                               f"{student.n_queries_:,} answers")  # fmt: skip
    procedure = section(body, "Training procedure")
    assert procedure.startswith("15 epochs") and "| `n_windows` | 8 |" in procedure
    assert "`memory`" not in procedure and "`label_weight`" not in procedure
    assert "8,819 weights of 32 bits" in section(body, "Costs")
    assert "(n_instances, 20)" in section(body, "How to use")
    kept = quick(warm_start=True, saliency_weight=0).fit(*toy).model_card()
    assert "| 2 | 4 | 0.333 |" in section(kept, "Training data")
    assert "was not part of its training" in section(kept, "Model description")


def test_labels_and_names_of_any_kind_stay_text(quick, toy):
    X, y = toy
    labels = np.array(HOSTILE, dtype=object)[y]
    teacher = Teacher(bump_teacher, classes=HOSTILE)
    student = quick(teacher, max_epochs=40).fit(X, labels)
    report = student.fidelity_report(X, labels, n_explained=4)
    card = student.model_card(
        report, y=labels, name=HOSTILE[0], data=HOSTILE[1], license=HOSTILE[2]
    )
    card.encode("utf-8")
    head, body = head_and_body(card)
    assert head["model-index"][0]["name"] == HOSTILE[0]
    assert head["model-index"][0]["results"][0]["dataset"]["name"] == HOSTILE[1]
    assert head["license"] == HOSTILE[2].replace("\ud800", "\\ud800")
    for character in ("<b>", "*y*", "`z`", "[w]", "{{", "\u2028", "# no", "$v$"):
        assert character not in body
    assert len(re.findall(r"^---", body, re.MULTILINE)) == 0
    for table in re.findall(r"(?:^\|.*\n)+", body, re.MULTILINE):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert len(re.findall(r"^# ", body, re.MULTILINE)) == 1


def test_a_file_has_a_card_too(fitted, tmp_path):
    student = fitted[0]
    student.quantised(4).save(tmp_path / "student.tsdistill")
    loaded = SaliencyDistilledClassifier.load(tmp_path / "student.tsdistill")
    body = head_and_body(loaded.model_card(repo_id="owner/bumps"))[1]
    assert body.startswith("\n\n# bumps\n")
    assert 'hf_hub_download("owner/bumps", "student.tsdistill")' in section(body, "How to use")
    assert "rounded to 4 bits" in section(body, "Training procedure")
    assert "not recorded" in section(body, "Teacher")


def test_the_lines_that_load_it_run(fitted, tmp_path, monkeypatch):
    student, _, X, _ = fitted
    monkeypatch.chdir(tmp_path)
    student.save("student.tsdistill")
    code = re.search(r"```python\n(.*?)```", student.model_card(), re.DOTALL)[1]
    found = {"X": X}
    exec(code, found)
    np.testing.assert_array_equal(found["proba"], student.predict_proba(X))
    np.testing.assert_array_equal(found["maps"], student.explain(X))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"report": "good"}, "report='good'; expected a FidelityReport, as fidelity_report gives "
                             "it, or None."),
        ({"data": 3}, "data=3; expected a str, or None."),
        ({"name": " "}, "name=' '; expected a str, or None."),
        ({"repo_id": 'a"b'}, "repo_id='a\"b'; expected the name of a repository, such as "
                             "'owner/name'."),
    ],
)  # fmt: skip
def test_bad_input(fitted, options, message):
    with pytest.raises(ParameterError) as caught:
        fitted[0].model_card(**options)
    assert str(caught.value) == message


def test_labels_that_the_student_does_not_know_are_refused(fitted):
    with pytest.raises(ParameterError, match="y holds unknown labels"):
        fitted[0].model_card(y=["sideways"])


def test_no_labels_and_the_report_of_another_student_are_refused(fitted, report, quick, toy):
    with pytest.raises(ParameterError, match="y is empty; expected the labels of fit"):
        fitted[0].model_card(y=[])
    X, y = toy
    other = quick().fit(X, np.array([f"class {label}" for label in y]))
    with pytest.raises(ParameterError, match="report has classes that are not the student's"):
        other.model_card(report)


def test_an_address_in_a_name_is_no_link(fitted):
    card = fitted[0].model_card(data="see http://evil.example/x or www.evil.example")
    assert "see http&#58;//evil.example/x or www&#46;evil.example" in card


def test_a_card_needs_a_fitted_student(quick):
    with pytest.raises(NotFittedError):
        quick().model_card()
