"""Files of the UCR archive, and the sets that sktime ships."""

import pickle
import socket
import urllib.request

import numpy as np
import pytest
from sktime.datasets import load_basic_motions

from tsdistill.datasets import (
    load_ucr,
)
from tsdistill.exceptions import DatasetError, PanelError, ParameterError, TsdistillError


def as_tsv(X, y):
    rows = (
        "\t".join([label, *map(repr, row)]) for label, row in zip(y, X[:, 0].tolist(), strict=True)
    )
    return "\n".join(rows) + "\n"


def as_ts(X, y, classes):
    head = (
        "# about\n@problemName Toy\n@timeStamps false\n@missing false\n"
        f"@univariate {'true' if X.shape[1] == 1 else 'false'}\n@equalLength true\n"
        f"@classLabel true {' '.join(classes)}\n@data\n"
    )
    lines = (
        ":".join([*(",".join(map(repr, channel)) for channel in series), label]) + "\n"
        for label, series in zip(y, X.tolist(), strict=True)
    )
    return head + "".join(lines)


@pytest.fixture
def panel():
    """Six series of two classes, labels as either layout may write them."""
    X = np.random.default_rng(0).normal(size=(6, 1, 9))
    return X, ["1", "-1", "1", "1", "-1", "2"]


@pytest.fixture
def write(tmp_path):
    """Write a file of the set Toy, and give the folder that holds its folder."""

    def write(text, layout="tsv", split="TRAIN", name="Toy"):
        folder = tmp_path / "archive" / name
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}_{split}.{layout}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "archive"

    return write


def test_both_layouts_give_equal_arrays(write, panel):
    X, y = panel
    written = {"1": "1.0000000e+00", "-1": "-1.0", "2": "2."}
    tsv = load_ucr("Toy", data_dir=write(as_tsv(X, [written[label] for label in y])))
    (write("", layout="tsv") / "Toy" / "Toy_TRAIN.tsv").unlink()
    ts = load_ucr("Toy", data_dir=write(as_ts(X, y, ["-1", "1", "2"]), layout="ts"))
    for found, labels in (tsv, ts):
        np.testing.assert_array_equal(found, X.astype(np.float32))
        assert found.dtype == np.float32
        assert labels.dtype.kind == "U"
        assert labels.tolist() == y


@pytest.mark.parametrize("layout", ["tsv", "ts"])
def test_splits_are_told_apart_and_joined(write, panel, layout):
    X, y = panel
    for split, part in (("TRAIN", slice(0, 4)), ("TEST", slice(4, 6))):
        text = as_tsv(X[part], y[part]) if layout == "tsv" else as_ts(X[part], y[part], set(y))
        data_dir = write(text, layout, split)
    train, test, both = (load_ucr("Toy", s, data_dir)[0] for s in ("train", "test", "all"))
    assert (len(train), len(test)) == (4, 2)
    np.testing.assert_array_equal(both, np.concatenate([train, test]))
    np.testing.assert_array_equal(both, X.astype(np.float32))
    assert load_ucr("Toy", "all", data_dir)[1].tolist() == y


@pytest.mark.parametrize("as_path", [str, lambda path: path])
def test_data_dir_may_be_the_folder_of_the_files(write, panel, as_path):
    archive = write(as_tsv(*panel))
    X, y = load_ucr("Toy", data_dir=as_path(archive / "Toy"))
    assert X.shape == (6, 1, 9)
    assert y.tolist() == panel[1]


def test_layout_that_has_both_splits_goes_first(write, panel):
    X, y = panel
    write(as_tsv(X + 1, y))
    write(as_ts(X, y, set(y)), "ts", "TRAIN")
    data_dir = write(as_ts(X, y, set(y)), "ts", "TEST")
    np.testing.assert_array_equal(load_ucr("Toy", data_dir=data_dir)[0], X.astype(np.float32))
    write(as_tsv(X + 1, y), "tsv", "TEST")
    np.testing.assert_array_equal(load_ucr("Toy", data_dir=data_dir)[0], (X + 1).astype("f4"))


def test_several_channels_and_labels_in_the_files_own_letters(write):
    X = np.random.default_rng(0).normal(size=(4, 3, 7))
    y = ["Standing", "walking", "Standing", "RUN"]
    data_dir = write(as_ts(X, y, ["Standing", "walking", "RUN"]), layout="ts")
    found, labels = load_ucr("Toy", data_dir=data_dir)
    np.testing.assert_array_equal(found, X.astype(np.float32))
    assert labels.tolist() == y


def test_only_whole_numbers_with_a_point_or_an_exponent_are_rewritten(write, panel):
    y = ["1.5", "01", "1.50", "3e0", "-0.0", "+12"]
    data_dir = write(as_tsv(panel[0], y))
    assert load_ucr("Toy", data_dir=data_dir)[1].tolist() == ["1.5", "01", "1.50", "3", "0", "12"]


def test_blank_lines_windows_line_ends_and_byte_order_marks_are_no_damage(write, panel):
    text = "\ufeff" + as_tsv(*panel).replace("\n", "\r\n\r\n")
    X, y = load_ucr("Toy", data_dir=write(text.encode("utf-8")))
    np.testing.assert_array_equal(X, panel[0].astype(np.float32))
    assert y.tolist() == panel[1]


def test_one_series_is_still_a_panel(write, panel):
    X, y = load_ucr("Toy", data_dir=write(as_tsv(panel[0][:1], panel[1][:1])))
    assert X.shape == (1, 1, 9)
    assert y.tolist() == ["1"]


@pytest.mark.parametrize("given", [False, True])
def test_sets_that_sktime_ships_are_the_fallback(gunpoint, tmp_path, given):
    data_dir = tmp_path if given else None
    X, y, X_test, y_test = gunpoint
    for split, series, labels in (("train", X, y), ("test", X_test, y_test)):
        found = load_ucr("GunPoint", split, data_dir)
        np.testing.assert_array_equal(found[0], series.astype(np.float32))
        np.testing.assert_array_equal(found[1], labels)
    assert load_ucr("GunPoint", "all")[0].shape == (200, 1, 150)


def test_sktimes_set_of_six_channels(motions):
    X, y = load_ucr("BasicMotions")
    np.testing.assert_array_equal(X, motions[0].astype(np.float32))
    assert set(y) == {"Standing", "Running", "Walking", "Badminton"}
    lower = load_basic_motions(split="train", return_type="numpy3D")[1]
    assert [label.lower() for label in y] == lower.tolist()


def test_data_dir_goes_before_sktime(write, panel):
    data_dir = write(as_tsv(*panel), name="GunPoint")
    assert load_ucr("GunPoint", data_dir=data_dir)[0].shape == (6, 1, 9)


def test_nothing_is_downloaded(monkeypatch, tmp_path):
    def offline(*_, **__):
        raise AssertionError("asked the network")

    for target in (
        (urllib.request, "urlopen"),
        (urllib.request, "urlretrieve"),
        (socket, "getaddrinfo"),
        (socket, "create_connection"),
        (socket.socket, "connect"),
    ):
        monkeypatch.setattr(*target, offline)
    for data_dir in (None, tmp_path):
        with pytest.raises(DatasetError, match="nothing is downloaded"):
            load_ucr("Beef", data_dir=data_dir)  # in the archive, but not shipped
    assert len(load_ucr("GunPoint", data_dir=tmp_path)[0]) == 50


def test_unknown_set_gets_a_list_with_likely_names_first(write, panel):
    for name in ("Alpha", "Gamma", "GunPiont"):
        data_dir = write(as_tsv(*panel), name=name)
    with pytest.raises(DatasetError) as caught:
        load_ucr("GUNPOINT", data_dir=data_dir)
    message = str(caught.value)
    assert message.startswith("name='GUNPOINT'")
    assert "Did you mean 'GunPoint' or 'GunPiont'?" in message
    assert f"data_dir={str(data_dir)!r} has GunPiont, Alpha, Gamma;" in message
    assert "sktime has GunPoint, " in message
    assert "ItalyPowerDemand" in message
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, TsdistillError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


def test_unknown_set_beside_files_without_folders_and_without_likely_names(write, panel):
    data_dir = write(as_tsv(*panel)) / "Toy"
    with pytest.raises(DatasetError, match=r"'Zzz'.*has Toy; sktime has ") as caught:
        load_ucr("Zzz", data_dir=data_dir)
    assert "Did you mean" not in str(caught.value)
    empty = data_dir / "empty"
    empty.mkdir()
    with pytest.raises(DatasetError, match=r"empty' has none; sktime has "):
        load_ucr("Zzz", data_dir=empty)


def test_long_lists_are_cut(tmp_path):
    for i in range(30):
        (tmp_path / f"Set{i:02}_TEST.tsv").touch()
    with pytest.raises(DatasetError, match=r"has Set00, .*, Set19 and 10 more; sktime"):
        load_ucr("Zzz", data_dir=tmp_path)


def test_missing_split_is_not_taken_from_elsewhere(write, panel):
    data_dir = write(as_tsv(*panel), name="GunPoint")
    for split in ("test", "all"):
        with pytest.raises(
            DatasetError, match=r"no .*GunPoint_TEST in one .* has GunPoint_TRAIN.tsv\."
        ):
            load_ucr("GunPoint", split, data_dir)


def test_missing_folder_is_said_even_where_sktime_has_the_set(tmp_path):
    with pytest.raises(DatasetError, match=r"data_dir='.*nowhere' is not a folder"):
        load_ucr("GunPoint", data_dir=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": ""}, "name=''"),
        ({"name": 3}, "name=3"),
        ({"name": "../GunPoint"}, r"name='\.\./GunPoint'"),
        ({"split": "TRAIN"}, "split='TRAIN'; expected one of 'train', 'test', 'all'"),
        ({"split": None}, "split=None"),
        ({"split": ["train"]}, "split="),
        ({"data_dir": 3}, "data_dir=3"),
        ({"allow_nan": "x"}, "allow_nan='x'; expected True or False"),
        ({"allow_nan": None}, "allow_nan=None"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(ParameterError, match=message):
        load_ucr(**({"name": "GunPoint"} | arguments))


HEAD = "@problemName Toy\n@timeStamps false\n@univariate true\n@classLabel true 1 2\n@data\n"


@pytest.mark.parametrize(
    ("layout", "text", "message"),
    [
        ("tsv", "1\t0.5\t0.5\n2\t0.5\n", r"Toy_TRAIN\.tsv, line 2: 2 parts .* line 1 has 3"),
        ("tsv", "1\t0.5\t0.5\n\n2\t0.5\tlow\n", "line 3: 'low' where a number"),
        ("tsv", "1\t0.5\n#2\t0.5\n", "line 2: '#2' where a number"),
        ("tsv", "1\t0.5\t\n", "line 1: '' where a number"),
        ("tsv", "low\t0.5\t1\n", "line 1: 'low' where a number"),
        ("tsv", "1,0.5,0.5\n", "line 1: '1,0.5,0.5' where a number"),
        ("tsv", "1\t0.5\nNaN\t0.5\n", "line 2: the series has no label"),
        ("tsv", "1\n2\n", "line 1"),
        ("tsv", "", "holds no series"),
        ("tsv", b"\xff\xfe\x00\x01", "is damaged, or not a text file"),
        ("ts", HEAD + "0.5,0.5:1\n0.5,0.5\n", r"Toy_TRAIN\.ts, line 7: 1 parts .* line 6 has 2"),
        ("ts", HEAD + "0.5,0.5:1\n0.5,low:2\n", "line 7: 'low' where a number"),
        ("ts", HEAD + "0.5,0.5:1\n0.5,:2\n", "line 7: '' where a number"),
        ("ts", HEAD + "0.5,0.5:1\n0.5,0.5:3\n", "line 7: the label '3' is none of"),
        ("ts", HEAD, "holds no series"),
        ("ts", "", "no labels"),
        ("ts", "0.5,0.5:1\n", "no labels"),
        ("ts", HEAD.replace("@univariate true\n", "") + "0.5:1\n", "is damaged"),
        ("ts", HEAD.replace("true 1 2", "false") + "0.5,0.5\n", "no labels"),
        ("ts", HEAD.replace("classLabel true 1 2", "targetLabel true") + "0.5:1\n", "numbers as"),
        ("ts", HEAD + ":1\n:2\n", "without values"),
        ("ts", b"\xff\xfe\x00\x01", "is damaged, or not a text file"),
    ],
)
def test_damaged_files_are_said_with_path_and_line(write, layout, text, message):
    with pytest.raises(PanelError, match=message) as caught:
        load_ucr("Toy", data_dir=write(text, layout))
    assert f"Toy_TRAIN.{layout}" in str(caught.value)


@pytest.mark.parametrize(
    ("layout", "text", "message"),
    [
        ("tsv", "1\t1\t2\t3\n1\t1\t2\tNaN\n2\t4\t5\t6\n", r"unequal length: 1 of 3 .* 3 .*rows 1,"),
        (
            "tsv",
            "1\t1\t2\t3\n1\t1\tNaN\t3\n2\t4\tnan\t6\n",
            r"missing values: in 2 of 3.*rows 1, 2,",
        ),
        ("tsv", "1\t1\tinf\n1\t1\t1e39\n", r"infinite values.* in 2 of 2"),
        ("ts", HEAD + "1,2,3:1\n1,2:1\n4:2\n", r"unequal length: 2 of 3 .* 3 .*rows 1, 2,"),
        ("ts", HEAD + "1,2,3:1\n1,?,3:1\n", r"missing values: in 1 of 2.*rows 1,"),
        ("ts", HEAD + "1,2,3:1\n1,NaN,3:1\n", r"missing values: in 1 of 2.*rows 1,"),
        ("ts", HEAD + "1,2,3:1\n" + "1:2\n" * 9, r"9 of 10 .*rows 1, 2, 3, 4, 5, \.\.\., counted"),
    ],
)
def test_unequal_lengths_and_missing_values_are_counted(write, layout, text, message):
    with pytest.raises(PanelError, match=message):
        load_ucr("Toy", data_dir=write(text, layout))


def test_sktimes_sets_of_unequal_length_and_of_regression_are_refused():
    with pytest.raises(PanelError, match="unequal length"):
        load_ucr("JapaneseVowels")
    with pytest.raises(PanelError, match="numbers as targets"):
        load_ucr("Covid3Month")


def test_splits_of_unequal_length_are_not_joined(write, panel):
    X, y = panel
    write(as_tsv(X, y))
    data_dir = write(as_tsv(X[:, :, 1:], y), split="TEST")
    with pytest.raises(PanelError, match=r"\(1, 9\) and test series \(1, 8\)"):
        load_ucr("Toy", "all", data_dir)


def test_timestamps_of_sktimes_format_are_read(write):
    head = HEAD.replace("@timeStamps false", "@timeStamps true")
    text = head + "(0,1.5),(1,2.5):1\n(0,3.5),(1,4.5):2\n"
    X, y = load_ucr("Toy", data_dir=write(text, "ts"))
    assert X.tolist() == [[[1.5, 2.5]], [[3.5, 4.5]]]
    assert y.tolist() == ["1", "2"]
    with pytest.raises(PanelError, match="is damaged"):
        load_ucr("Toy", data_dir=write(text.replace("(1,4.5)", "(1,4.5"), "ts"))


NAN = float("nan")


@pytest.mark.parametrize(
    ("layout", "text", "values"),
    [
        ("tsv", "1\t1\t2\t3\n1\t1\t2\tNaN\n2\t4\t5\t6\n", [[1, 2, 3], [1, 2, NAN], [4, 5, 6]]),
        ("tsv", "1\t1\tNaN\t3\n2\tNaN\tNaN\t6\n", [[1, NAN, 3], [NAN, NAN, 6]]),
        ("ts", HEAD + "1,2,3:1\n1,2:1\n4:2\n", [[1, 2, 3], [1, 2, NAN], [4, NAN, NAN]]),
        ("ts", HEAD + "1,2,3:1\n1,?,3:2\n", [[1, 2, 3], [1, NAN, 3]]),
    ],
)
def test_unequal_lengths_and_gaps_are_read_as_nan_where_they_are_allowed(
    write, layout, text, values
):
    data_dir = write(text, layout)
    X, y = load_ucr("Toy", data_dir=data_dir, allow_nan=True)
    np.testing.assert_array_equal(X, np.array(values)[:, np.newaxis])
    assert X.dtype == np.float32 and len(y) == len(values)
    with pytest.raises(PanelError, match="allow_nan=True"):
        load_ucr("Toy", data_dir=data_dir)


@pytest.mark.parametrize("shorter", ["TRAIN", "TEST"])
def test_splits_of_unequal_length_are_joined_where_nan_is_allowed(write, panel, shorter):
    X, y = panel
    for split in ("TRAIN", "TEST"):
        data_dir = write(as_tsv(X[:, :, : 7 if split == shorter else 9], y), split=split)
    joined, labels = load_ucr("Toy", "all", data_dir, allow_nan=True)
    expected = np.concatenate([X, X])
    rows = slice(0, 6) if shorter == "TRAIN" else slice(6, 12)
    expected[rows, :, 7:] = np.nan
    np.testing.assert_array_equal(joined, expected.astype(np.float32))
    assert labels.tolist() == y + y


def test_infinite_values_are_refused_where_nan_is_allowed(write):
    with pytest.raises(PanelError, match=r"infinite values.* in 1 of 2 series"):
        load_ucr("Toy", data_dir=write("1\t1\tinf\n1\t1\tNaN\n"), allow_nan=True)


def test_sktimes_sets_of_unequal_length_can_be_read():
    X, y = load_ucr("JapaneseVowels", allow_nan=True)
    assert X.shape == (270, 12, 26) and len(y) == 270
    lengths = np.isfinite(X).all(axis=1).sum(axis=1)
    assert lengths.min() == 7 and lengths.max() == 26


@pytest.mark.parametrize("with_folder", [False, True])
def test_a_name_too_long_for_a_file_is_not_found(tmp_path, with_folder):
    with pytest.raises(DatasetError, match="^name='aaa"):
        load_ucr("a" * 9999, data_dir=tmp_path if with_folder else None)
