"""A contract as TOML, and the arguments that it refuses."""

import numpy as np
import pytest

from tsdistill import SwapContract
from tsdistill.exceptions import FileMissingError, ParameterError, PathError
from tsdistill.swap.demands import DEMANDS

TEXT = """
# of the watch
confidence = 0.9
[demands]
agreement = 0.98
kl = 0.05
weights = 9000
us_one_series = 500
[meta]
model = "forest, v3"
"""


def test_a_contract_is_read_from_a_text_or_a_file(tmp_path):
    expected = SwapContract(
        agreement=0.98, kl=0.05, weights=9000, us_one_series=500, confidence=0.9,
        meta={"model": "forest, v3"},
    )  # fmt: skip
    assert SwapContract.from_toml(TEXT) == expected
    path = tmp_path / "lr=0.1.toml"
    path.write_text(TEXT)
    assert SwapContract.from_toml(path) == SwapContract.from_toml(str(path)) == expected
    assert SwapContract.from_toml("demands.agreement = 0.98") == SwapContract(agreement=0.98)
    assert SwapContract.from_toml("[demands]\nkl = 1  # see lite.toml") == SwapContract(kl=1)
    odd = SwapContract.from_toml("demands.kl = 1\nmeta.a = '\ud800'")
    assert odd == SwapContract(kl=1, meta={"a": "\ud800"})
    assert list(expected.demands) == ["agreement", "kl", "weights", "us_one_series"]
    assert repr(SwapContract(kl=0.1)) == "SwapContract(kl=0.1, confidence=0.95)"
    assert len({expected, SwapContract.from_toml(TEXT), SwapContract(kl=0.1)}) == 2


@pytest.mark.parametrize(
    "contract",
    [
        SwapContract(agreement=0.98),
        SwapContract(
            agreement=np.float32(0.5), kl=1e-5, js=0.1, class_agreement=0.9, saliency=-0.5,
            negative_flips=1e-7, net_accuracy=-0.01, ece=0.05, weights=np.int64(9000),
            constant_bytes=1, memory_bytes=2**31 - 1, multiplications=10, us_one_series=1e17,
            confidence=0.999, meta={},
        ),
        SwapContract(ece=0.1, meta={"a b": 'quotes " and \\ and \n and \x7f and \x01', "é": "😀"}),
    ],
)  # fmt: skip
def test_what_is_written_is_read_again(contract):
    assert SwapContract.from_toml(contract.to_toml()) == contract


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[demands]\nagreemnt = 0.98",
            "[demands] of the contract has the unknown name 'agreemnt'; expected 'agreement', "
            "'kl', 'js', 'class_agreement', 'saliency', 'negative_flips', 'net_accuracy', 'ece', "
            "'weights', 'constant_bytes', 'memory_bytes', 'multiplications', 'us_one_series'. Did "
            "you mean 'agreement'?",
        ),
        (
            "[demand]\nagreement = 0.98",
            "the contract has the unknown name 'demand'; expected 'confidence', 'demands', "
            "'meta'. Did you mean 'demands'?",
        ),
        ("conf = 0.9\n", "the contract has the unknown name 'conf'; expected 'confidence', "
                         "'demands', 'meta'. Did you mean 'confidence'?"),
        ("zzz = 1\n", "the contract has the unknown name 'zzz'; expected 'confidence', "
                      "'demands', 'meta'."),
        ("demands = 3\n", "the contract: demands=3; expected a table, [demands]."),
        ("meta = 3\n[demands]\nkl = 1", "the contract: meta=3; expected a table, [meta]."),
        ("[demands]\n", "the contract demands nothing; expected at least one of agreement"),
        ("confidence = 0.9\n", "the contract demands nothing; expected at least one of agreement"),
        ("[demands]\nkl = \n", "the contract is no TOML: "),
        ("[demands]\nkl = 1\n[meta]\na = 3", "meta={'a': 3}; expected texts by name"),
        ("[demands]\nagreement = '0.9'", "agreement='0.9'; expected a number between 0 and 1"),
        ("[demands]\nagreement = true", "agreement=True; expected a number between 0 and 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(text, message):
    with pytest.raises(ParameterError) as caught:
        SwapContract.from_toml(text)
    told = str(caught.value)
    assert told == message if message.endswith((".", "?")) else told.startswith(message)


@pytest.mark.parametrize("part", ["a", "a-b_9", '"a b"', "'a.b'", "a \t"])
def test_names_of_too_many_parts_are_refused_before_they_are_read(part):
    deep = ".".join(33 * [part]) + " = 1\n"
    with pytest.raises(ParameterError, match="the contract has a name of too many parts: "):
        SwapContract.from_toml(deep)
    with pytest.raises(ParameterError, match="the contract has the unknown name 'a"):
        SwapContract.from_toml(".".join(32 * [part]) + " = 1\n")


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_contract_is_read_whole_or_not_at_all(letter, tmp_path):
    """As many bytes as are allowed, and one more: the demands come last."""
    demands, path = "\n[demands]\nkl = 1\n", tmp_path / "contract.toml"
    n_letters, rest = divmod(262_144 - len(demands) - 1, len(letter.encode()))
    text = "#" + rest * "x" + n_letters * letter + demands
    path.write_text(text, encoding="utf-8")
    assert SwapContract.from_toml(text) == SwapContract.from_toml(path) == SwapContract(kl=1)
    text = "#" + text
    path.write_text(text, encoding="utf-8")
    for source, name in ((text, "the contract"), (path, f"contract {str(path)!r}")):
        with pytest.raises(ParameterError) as caught:
            SwapContract.from_toml(source)
        assert str(caught.value) == f"{name} is too long; expected 262144 bytes at most."


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileMissingError, match="there is no such file"):
        SwapContract.from_toml(tmp_path / "missing.toml")
    with pytest.raises(FileMissingError, match="there is no such file"):
        SwapContract.from_toml("a=b.toml")
    with pytest.raises(PathError, match="cannot be read"):
        SwapContract.from_toml(tmp_path)
    (tmp_path / "latin.toml").write_bytes("[demands] # é".encode("latin-1"))
    with pytest.raises(ParameterError, match="is no text in UTF-8"):
        SwapContract.from_toml(tmp_path / "latin.toml")
    with pytest.raises(ParameterError, match="source=3; expected a path"):
        SwapContract.from_toml(3)
    with pytest.raises(ParameterError, match="cannot encode"):
        SwapContract(kl=1, meta={"a": "\ud800"}).to_toml()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "the contract demands nothing"),
        ({"agreement": 1}, "agreement=1; expected a number between 0 and 1, both excluded: no "
                           "number of series shows more."),
        ({"agreement": 98}, "agreement=98; expected a number between 0 and 1"),
        ({"agreement": np.nan}, "agreement=nan; expected a number between 0 and 1"),
        ({"kl": 0}, "kl=0; expected a number between 0 and 9.21"),
        ({"kl": 10}, "kl=10; expected a number between 0 and 9.21"),
        ({"js": 0.7}, "js=0.7; expected a number between 0 and 0.6931"),
        ({"saliency": 1.0}, "saliency=1.0; expected a number between -1 and 1"),
        ({"negative_flips": -0.1}, "negative_flips=-0.1; expected a number between 0 and 1"),
        ({"net_accuracy": "1%"}, "net_accuracy='1%'; expected a number between -1 and 1"),
        ({"weights": 0}, "weights=0; expected a whole number above 0"),
        ({"constant_bytes": 1e4}, "constant_bytes=10000.0; expected a whole number"),
        ({"us_one_series": 0}, "us_one_series=0; expected a finite number above 0"),
        ({"kl": 1, "confidence": 95}, "confidence=95; expected a number of 0.5 or more, below 1."),
        ({"kl": 1, "confidence": 0.4}, "confidence=0.4; expected a number of 0.5 or more"),
        ({"kl": 1, "meta": "v3"}, "meta='v3'; expected texts by name, such as {'model': 'v3'}."),
        (
            {"agreement": 0.98, "net_accuracy": 0.03},
            "net_accuracy=0.03 contradicts agreement=0.98: a student that differs from its "
            "teacher on a share of 0.02 at most cannot be right more often by more than that; "
            "lower one of them.",
        ),
        (
            {"class_agreement": 0.9, "net_accuracy": 0.2},
            "net_accuracy=0.2 contradicts class_agreement=0.9",
        ),
    ],
)  # fmt: skip
def test_limits_that_cannot_be_demanded(arguments, message):
    with pytest.raises(ParameterError) as caught:
        SwapContract(**arguments)
    assert str(caught.value).startswith(message)
    SwapContract(agreement=0.98, net_accuracy=0.01)  # no contradiction


@pytest.mark.parametrize(
    ("code", "name", "relation", "lowest", "highest"),
    [
        ("TSD101", "agreement", ">=", 0, 1),
        ("TSD102", "kl", "<=", 0, -np.log(1e-4)),
        ("TSD103", "js", "<=", 0, np.log(2)),
        ("TSD104", "class_agreement", ">=", 0, 1),
        ("TSD201", "saliency", ">=", -1, 1),
        ("TSD301", "negative_flips", "<=", 0, 1),
        ("TSD302", "net_accuracy", ">=", -1, 1),
        ("TSD303", "ece", "<=", 0, 1),
        ("TSD401", "weights", "<=", 0, None),
        ("TSD402", "constant_bytes", "<=", 0, None),
        ("TSD403", "memory_bytes", "<=", 0, None),
        ("TSD404", "multiplications", "<=", 0, None),
        ("TSD405", "us_one_series", "<=", 0, None),
    ],
)
def test_a_demand_has_its_code_for_ever_and_excludes_both_ends(
    code, name, relation, lowest, highest
):
    assert (DEMANDS[name].code, DEMANDS[name].relation) == (code, relation)
    for end, inside in ((lowest, 1), (highest, -1)):
        if end is not None:
            with pytest.raises(ParameterError, match=f"{name}="):
                SwapContract(**{name: end})
            step = 1 if highest is None else 1e-9
            assert SwapContract(**{name: end + inside * step}).demands == {
                name: end + inside * step
            }


def test_demands_that_just_do_not_contradict_each_other_can_be_made():
    for name in ("agreement", "class_agreement"):
        contract = SwapContract(**{name: 0.75}, net_accuracy=0.25)
        assert contract.demands == {name: 0.75, "net_accuracy": 0.25}
        with pytest.raises(ParameterError, match="on a share of 0.25 at most cannot be right"):
            SwapContract(**{name: 0.75}, net_accuracy=np.nextafter(0.25, 1))


def test_a_confidence_may_be_from_one_half_to_one_in_a_billion_below_1():
    for confidence in (0.5, 1 - 1e-9):
        assert SwapContract(kl=1, confidence=confidence).confidence == confidence
    for confidence in (0.4999999, 1 - 9e-10, 1.0, float("nan"), True):
        with pytest.raises(ParameterError, match="expected a number of 0.5 or more, below 1"):
            SwapContract(kl=1, confidence=confidence)
