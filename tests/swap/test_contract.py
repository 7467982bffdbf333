"""The check of a contract: what it measures, on what it rests, and what it refuses."""

import json
import os
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from torch import nn

from tests.conftest import Counted, bump_teacher
from tests.swap.bumps import NAMES, TEACHER, bumps, fitted_student
from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, SwapContract, Teacher
from tsdistill.exceptions import ParameterError, TeacherError
from tsdistill.fidelity import betting_interval, clopper_pearson
from tsdistill.inputs import files

EVERYTHING = {
    "agreement": 0.9, "kl": 0.2, "js": 0.03, "class_agreement": 0.5, "saliency": 0.7,
    "negative_flips": 0.06, "net_accuracy": -0.05, "ece": 0.2, "weights": 9000,
    "constant_bytes": 9000, "memory_bytes": 20_000, "multiplications": 10**6,
    "us_one_series": 10**6,
}  # fmt: skip


@pytest.fixture(scope="module")
def student():
    return fitted_student()


@pytest.fixture(scope="module")
def held_out():
    return bumps(300, 0.8, seed=1)


@pytest.fixture(scope="module")
def result(student, held_out):
    """The result of everything that can be demanded; no test changes it."""
    contract = SwapContract(**EVERYTHING, meta={"<model>": "v3 & \x01 \ud7ff"})
    return contract.check(student, *held_out)


def by_name(result):
    return {line.name: line for line in result.lines}


def test_it_measures_what_the_report_measures(student, held_out, result):
    report = student.fidelity_report(*held_out)
    lines = by_name(result)
    for name in ("agreement", "kl", "js", "saliency", "negative_flips", "ece"):
        assert lines[name].measured == pytest.approx(getattr(report, name)), name
    net = report.accuracy - report.teacher_accuracy
    assert lines["net_accuracy"].measured == pytest.approx(net)
    costs = student.student_costs()
    for name in ("weights", "constant_bytes", "memory_bytes", "multiplications"):
        assert lines[name].measured == costs[name]
    one_sided = clopper_pearson(round(300 * report.agreement), 300, 0.9)[0]
    assert lines["agreement"].bound == pytest.approx(one_sided)
    by_class = report.per_class["agreement"].to_numpy()
    assert lines["class_agreement"].measured in by_class
    assert 0 < lines["us_one_series"].measured < 10**6
    assert [line.code for line in result.lines] == sorted(line.code for line in result.lines)


def test_one_broken_demand_breaks_the_contract(result):
    statuses = {name: line.status for name, line in by_name(result).items()}
    assert statuses.pop("constant_bytes") == "broken"
    assert set(statuses.values()) == {"kept"}
    assert result.status == "broken" and not result.passed
    assert str(result).startswith(
        "The contract is broken: of 13 demands 12 kept, 1 broken, 0 undecided, on 300 series.\n"
        "  kept      TSD101 agreement: demanded >= 0.9, shown >= 0.9"
    )


def test_few_series_leave_it_undecided_and_many_settle_it(student, held_out):
    X, y = held_out
    contract = SwapContract(agreement=0.9, negative_flips=0.06)
    few = contract.check(student, X[:20], y[:20])
    assert few.status == "undecided" and not few.passed
    assert by_name(few)["agreement"].n_to_settle > 20
    assert contract.check(student, X, y).passed
    strict = SwapContract(agreement=0.9, confidence=0.99999999).check(student, X)
    assert strict.status == "undecided"
    assert SwapContract(agreement=0.999).check(student, X).status == "broken"


@pytest.mark.parametrize(("limit", "status"), [(0.999, "broken"), (0.8, "kept")])
def test_what_a_bound_touches_is_not_broken(limit, status, student, held_out):
    def line_of(limit):
        return SwapContract(agreement=limit).check(student, held_out[0]).lines[0]

    line = line_of(limit)
    assert line.status == status
    assert line_of(line.bound).status == {"broken": "undecided", "kept": "kept"}[status]


def test_the_teacher_is_asked_only_for_what_is_demanded(held_out):
    X, y = held_out
    counted = Counted()
    student = SaliencyDistilledClassifier(
        Teacher(counted, classes=NAMES.tolist()), max_epochs=1, n_windows=4, random_state=0
    ).fit(*bumps(12, 0.3))

    def asked(demands, **options):
        counted.n_asked = 0
        SwapContract(**demands).check(student, X, y, **options)
        return counted.n_asked

    assert asked({"weights": 9000, "ece": 0.5, "us_one_series": 10**6}) == 0
    assert asked({"agreement": 0.5, "kl": 1, "negative_flips": 0.5}) == 300
    few, more = (asked({"saliency": 0.1}, n_explained=n) for n in (10, 20))
    assert few - 300 == more - few > 100
    assert asked({"agreement": 0.5, "saliency": 0.1, "js": 0.5}, n_explained=10) == few
    line = SwapContract(saliency=0.1).check(student, X, n_explained=10).lines[0]
    assert line.n_series == 10 and "on 10 series with maps (" in line.message


def test_answers_from_a_file_take_the_place_of_a_teacher(student, held_out, result, tmp_path):
    X, y = held_out
    student.save(tmp_path / "student")
    loaded = SaliencyDistilledClassifier.load(tmp_path / "student")
    contract = SwapContract(**EVERYTHING | {"constant_bytes": 10**6})
    proba = student.teacher_.predict_proba(X)
    maps = student.explain(X, of="teacher", fill="mean")
    given = contract.check(loaded, X, y, teacher_proba=proba, teacher_maps=maps)
    assert given.passed
    for name, line in by_name(given).items():
        if name not in ("constant_bytes", "us_one_series"):
            expected = by_name(result)[name]
            assert line.measured == pytest.approx(expected.measured, rel=1e-4), name
            assert line.bound == pytest.approx(expected.bound, rel=1e-4), name
    without = contract.check(loaded, X, y, teacher_proba=proba)
    assert without.status == "undecided"
    assert by_name(without)["saliency"].message == (
        "demanded >= 0.7, not measured: the teacher's answers were given, but not its maps; pass "
        "teacher_maps, or a teacher."
    )
    again = contract.check(loaded, X, y, teacher=TEACHER)  # in the order of other classes
    assert again.passed and again.digests == result.digests
    assert contract.check(student, X, y, TEACHER).digests == result.digests


def test_maps_are_bounded_as_correlations_from_minus_1_to_1(student, held_out):
    X, y = held_out[0][:40], held_out[1][:40]
    maps = [student.explain(X, target=student.teacher_.predict(X), of=of, fill="mean")
            for of in ("teacher", "student")]  # fmt: skip
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(*maps, strict=True)]
    proba = student.teacher_.predict_proba(X)
    line = SwapContract(saliency=0.1, kl=1).check(
        student, X, y, teacher_proba=proba, teacher_maps=maps[0]
    ).lines[1]  # fmt: skip
    assert line.measured == pytest.approx(np.mean(expected))
    assert line.bound == pytest.approx(betting_interval(expected, -1, 1, 0.9)[0])


def test_another_teacher_is_compared(student, held_out):
    turned = Teacher(lambda X: np.roll(bump_teacher(X), 1, axis=1), classes=NAMES.tolist())
    line = SwapContract(agreement=0.9).check(student, held_out[0], teacher=turned).lines[0]
    assert line.status == "broken" and line.measured < 0.1
    assert student.teacher_.model is bump_teacher  # as before


def test_a_calibrated_scale_is_that_of_fit_after_loading(tmp_path):
    X, y = bumps(48, 0.3)
    teacher = Teacher(bump_teacher, classes=NAMES.tolist(), scale="calibrated")
    student = SaliencyDistilledClassifier(teacher, max_epochs=3, n_windows=4, random_state=0)
    student.fit(X, y).save(tmp_path / "student")
    contract = SwapContract(kl=1)
    expected = contract.check(student, X).lines[0].measured
    loaded = SaliencyDistilledClassifier.load(tmp_path / "student")
    assert contract.check(loaded, X, teacher=teacher).lines[0].measured == expected
    assert contract.check(student, X, teacher=teacher).lines[0].measured == expected
    plain = contract.check(student, X, teacher=TEACHER).lines[0].measured
    assert plain != pytest.approx(expected, rel=0.01)


def test_students_of_few_bits_and_inside_searches_and_pipelines(student, held_out):
    X, _ = held_out
    contract = SwapContract(agreement=0.8, constant_bytes=12_000)
    small = contract.check(student.quantised(8), X)
    assert small.passed and small.student["bits"] == 8
    quick = SaliencyDistilledClassifier(TEACHER, max_epochs=2, n_windows=4, random_state=0)
    search = GridSearchCV(quick, {"lr": [0.01]}, cv=2).fit(*bumps(24, 0.3))
    pipeline = make_pipeline("passthrough", search.best_estimator_)
    assert SwapContract(weights=9000).check(search, X).passed
    assert SwapContract(weights=9000).check(pipeline, X).passed


def test_the_classifier_of_sktime_is_checked_too():
    from tsdistill.sktime import SaliencyDistilledTSC

    X, y = bumps(24, 0.3)
    student = SaliencyDistilledTSC(TEACHER, max_epochs=2, n_windows=4, random_state=0)
    student.fit(X[:, np.newaxis], y)
    result = SwapContract(agreement=0.01, saliency=-0.99).check(student, X[:, np.newaxis], y)
    assert result.n_series == 24


def test_series_of_unequal_length():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=n) + k for k, n in zip(np.arange(40) % 2, range(20, 60), strict=True)]

    def mean_teacher(series):
        p = 1 / (1 + np.exp(2 - 4 * np.array([np.nanmean(one) for one in series])))
        return np.column_stack([1 - p, p])

    y = np.arange(40) % 2
    student = SaliencyDistilledClassifier(mean_teacher, max_epochs=2, n_windows=4, random_state=0)
    student.fit(X, y)
    contract = SwapContract(agreement=0.01, saliency=-0.9, multiplications=10**9)
    own = contract.check(student, X)
    maps = student.explain(X, of="teacher", fill="mean")
    proba = mean_teacher(X)
    given = contract.check(student, X, teacher_proba=proba, teacher_maps=maps)
    assert given.lines[1].measured == pytest.approx(own.lines[1].measured, rel=1e-5)
    maps[0, 3] = np.nan
    with pytest.raises(ParameterError, match="teacher_maps has NaN or infinity, or values after"):
        contract.check(student, X, teacher_proba=proba, teacher_maps=maps)


class Own(nn.Module):
    """A student that cannot be written in C."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(20, 3)

    def forward(self, X):
        return self.layer(X[:, 0].sort(dim=1).values)


def test_sizes_that_cannot_be_counted_are_undecided(held_out):
    student = SaliencyDistilledClassifier(
        TEACHER, Own(), max_epochs=1, n_windows=4, random_state=0
    ).fit(*bumps(12, 0.3))
    result = SwapContract(weights=63, memory_bytes=1000).check(student, held_out[0])
    assert [line.status for line in result.lines] == ["kept", "undecided"]
    assert "not measured: a choice of timesteps of the student can" in result.lines[1].message


def test_a_class_that_the_teacher_never_names_leaves_its_demand_undecided(student, held_out):
    X, _ = held_out
    rows = student.teacher_.predict(X) != "down"
    line = SwapContract(class_agreement=0.1).check(student, X[rows]).lines[0]
    assert line.status == "undecided"
    assert line.message.endswith("there are no series that the teacher calls 'down'; pass some")


def test_very_large_divergences_are_capped_and_said(held_out):
    X, _ = held_out
    student = fitted_student()
    proba = np.roll(student.predict_proba(100 * X), 1, axis=1)
    line = SwapContract(kl=5).check(student, 100 * X, teacher_proba=proba).lines[0]
    assert line.measured <= 9.2104
    assert re.search(r"on 300 series of which \d+ count 9.21, the most that one may", line.message)


def test_digests_name_what_was_compared(student, held_out, result):
    X, y = held_out
    assert set(result.digests) == {"series", "labels", "student", "teacher_answers"}
    contract = SwapContract(agreement=0.9)
    other = contract.check(student, X + 1e-3).digests
    assert "labels" not in other and other["series"] != result.digests["series"]
    assert other["teacher_answers"] != result.digests["teacher_answers"]
    assert other["student"] == result.digests["student"]
    assert contract.check(student, X).digests == {
        key: value for key, value in result.digests.items() if key != "labels"
    }
    assert contract.check(student, X, y[::-1]).digests["labels"] != result.digests["labels"]
    small = SwapContract(weights=9000).check(student.quantised(8), X).digests
    assert set(small) == {"series", "student"} and small["student"] != other["student"]


def test_random_states_and_series_are_left_as_they_were(student, held_out):
    X = held_out[0].copy()
    X.flags.writeable = False
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    SwapContract(saliency=0.1, us_one_series=10**6).check(student, X)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_json_holds_the_evidence(result, tmp_path):
    result.to_json(tmp_path / "out.json")
    read = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert read["status"] == "broken" and read["passed"] is False and read["format"] == 1
    assert [line["code"] for line in read["lines"]] == [line.code for line in result.lines]
    assert read["lines"][0]["bound"] == result.lines[0].bound
    assert set(read["versions"]) == {"tsdistill", "python", "numpy", "torch", "scikit-learn"}
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in read["digests"].values())
    assert read["date"].endswith("+00:00")
    assert SwapContract.from_toml(read["contract"]) == SwapContract(**EVERYTHING, meta=result.meta)


def test_junit_is_xml_with_one_case_a_demand(student, held_out, result, tmp_path):
    result.to_junit(tmp_path / "out.xml", name="a < b \x00")
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert suite.get("name") == "a < b \\x00" and suite.get("failures") == "1"
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert next(iter(cases)) == "TSD101 agreement"
    assert len(cases) == 13 == int(suite.get("tests"))
    broken = cases["TSD402 constant_bytes"].find("failure")
    assert "counted" in broken.get("message") == broken.text
    assert all(case.find("failure") is None for name, case in cases.items() if "402" not in name)
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert properties["meta: <model>"] == "v3 & \\x01 \ud7ff"
    few = SwapContract(agreement=0.99).check(student, held_out[0][:5])
    few.to_junit(tmp_path / "out.xml")
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()
    assert suite.get("errors") == "1" and suite.find("testcase/error").get("type") == "undecided"


def test_the_page_is_escaped_and_needs_nothing_else(result, tmp_path):
    result.to_html(tmp_path / "out.html", title="Watch <i>")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "<h1>Watch &lt;i&gt;</h1>" in page and "&lt;model&gt;" in page
    assert "&lt;b&gt;" in page and "<b>" not in page and "up &amp; away" in page
    assert not re.search(r"https?://|<script|<link|<img", page)
    assert page.count(">kept</strong>") == 12 and page.count(">broken</strong>") == 1
    assert "demanded &gt;= 0.9, shown &gt;= 0.9" in page
    assert result.digests["series"] in page and result.date in page


@pytest.mark.parametrize("kind", ["json", "junit", "html"])
def test_files_are_written_whole_or_not_at_all(result, tmp_path, monkeypatch, kind):
    path = tmp_path / "out"
    path.write_text("the last one")

    def fails(*_):
        raise OSError("disk full")

    write = getattr(result, f"to_{kind}")
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", fails)
        with pytest.raises(OSError, match="disk full"):
            write(path)
    assert path.read_text() == "the last one" and os.listdir(tmp_path) == ["out"]
    with pytest.raises(FileNotFoundError, match="missing does not exist"):
        write(tmp_path / "missing" / "out")
    with pytest.raises(IsADirectoryError, match="pass the name of a file in it"):
        write(tmp_path)


def test_titles_are_texts(result, tmp_path):
    with pytest.raises(ParameterError, match="title=None; expected a str"):
        result.to_html(tmp_path / "out", title=None)
    with pytest.raises(ParameterError, match="name=3; expected a str"):
        result.to_junit(tmp_path / "out", name=3)


def with_row(row):
    proba = np.full((300, 3), 1 / 3)
    proba[7] = row
    return proba


UNIFORM = np.full((300, 3), 1 / 3)
BAD = {
    "no labels": ({"negative_flips": 0.1}, {"y": None}, "negative_flips needs y, but got None"),
    "no labels for ece": ({"kl": 1, "ece": 0.1}, {"y": None}, "ece needs y, but got None"),
    "other labels": ({"ece": 0.1}, {"y": ["x"] * 300}, "y holds unknown labels"),
    "few labels": ({"ece": 0.1}, {"y": ["down"]}, "y has shape (1,)"),
    "no series": ({"kl": 1}, {"X": np.empty((0, 20)), "y": None}, "0 sample(s)"),
    "short series": ({"kl": 1}, {"X": np.zeros((9, 19)), "y": None}, "19"),
    "a row too few": ({"kl": 1}, {"teacher_proba": UNIFORM[1:]},
                      "teacher_proba has shape (299, 3); expected (300, 3), a row for each series"),
    "a class too few": ({"kl": 1}, {"teacher_proba": UNIFORM[:, 1:]},
                        "teacher_proba has shape (300, 2); expected (300, 3)"),
    "NaN": ({"kl": 1}, {"teacher_proba": with_row([np.nan, 0, 1])},
            "teacher_proba has NaN or infinity in 1 of 300 rows"),
    "logits": ({"kl": 1}, {"teacher_proba": with_row([3, -2, 0.5])},
               "teacher_proba has 1 of 300 rows that are no probabilities (row 7 sums to 1.5, its "
               "smallest value is -2); expected rows of 0 or more that sum to 1. Apply a softmax"),
    "below 0": ({"kl": 1}, {"teacher_proba": with_row([1.5, -0.5, 0])}, "row 7 sums to 1, its"),
    "no numbers": ({"kl": 1}, {"teacher_proba": [["a"] * 3] * 300}, "teacher_proba holds values"),
    "both": ({"kl": 1}, {"teacher_proba": UNIFORM, "teacher": TEACHER},
             "teacher and teacher_proba were both given"),
    "maps alone": ({"saliency": 0.1}, {"teacher_maps": np.zeros((300, 20))},
                   "teacher_maps were given without teacher_proba"),
    "short maps": ({"saliency": 0.1},
                   {"teacher_proba": UNIFORM, "teacher_maps": np.zeros((300, 9))},
                   "teacher_maps has shape (300, 9); expected (300, 20)"),
    "NaN in maps": ({"saliency": 0.1},
                    {"teacher_proba": UNIFORM, "teacher_maps": np.full((300, 20), np.nan)},
                    "or values after the end of a series, in 300 of 300 maps"),
    "no teacher": ({"kl": 1}, {"teacher": 3}, "teacher int has neither predict_proba"),
    "an unfitted teacher": ({"kl": 1}, {"teacher": KNeighborsClassifier()}, "is not fitted"),
    "other classes": ({"kl": 1}, {"teacher": Teacher(bump_teacher, classes=["a", "b", "c"])},
                      "does not know class"),
    "n_explained": ({"saliency": 0.1}, {"n_explained": 0}, "n_explained=0"),
    "no student": ({"kl": 1}, {"student": KNeighborsClassifier()},
                   "a contract cannot check a KNeighborsClassifier"),
    "a swap": ({"kl": 1}, {"student": DeferringClassifier(None)},
               "student=DeferringClassifier; its fit bounds by itself"),
}  # fmt: skip


@pytest.mark.parametrize(("demands", "changed", "message"), BAD.values(), ids=BAD)
def test_bad_input(student, held_out, demands, changed, message):
    X, y = held_out
    arguments = {"student": student, "X": X, "y": y} | changed
    with pytest.raises((ParameterError, TeacherError, ValueError)) as caught:
        SwapContract(**demands).check(**arguments)
    assert message in str(caught.value)


def test_a_student_has_to_be_fitted_and_to_know_all_classes(student, held_out, tmp_path):
    X, y = bumps(24, 0.3)
    contract = SwapContract(agreement=0.9)
    with pytest.raises(NotFittedError):
        contract.check(SaliencyDistilledClassifier(TEACHER), X)
    student.save(tmp_path / "student")
    loaded = SaliencyDistilledClassifier.load(tmp_path / "student")
    with pytest.raises(ParameterError, match=r"agreement needs the teacher's answers, and the "
                       r"student was loaded without its teacher; pass teacher="):  # fmt: skip
        contract.check(loaded, X)
    assert SwapContract(weights=9000, ece=0.99).check(loaded, *held_out).passed
    rows = y != "down"
    quick = SaliencyDistilledClassifier(TEACHER, max_epochs=1, n_windows=4, random_state=0)
    with pytest.warns(match="down"):
        quick.fit(X[rows], y[rows])
    with pytest.raises(ParameterError, match="teacher also knows class 'down', which the student"):
        contract.check(quick, X)
