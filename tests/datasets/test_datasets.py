import pickle
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from sktime.datasets import load_basic_motions

from tsdistill import datasets
from tsdistill.datasets import (
    load_ucr,
    make_freq_shapes,
    make_low_var,
    make_middle_box,
    make_rare_feature,
    make_rare_time,
    make_seq_comb,
)
from tsdistill.exceptions import DatasetError, PanelError, ParameterError, TsdistillError

MAKERS = {  # the number of classes, and the shape of a series
    make_freq_shapes: (4, (1, 50)),
    make_seq_comb: (4, (1, 200)),
    make_low_var: (4, (2, 200)),
    make_middle_box: (2, (50, 50)),
    make_rare_time: (2, (50, 50)),
    make_rare_feature: (2, (50, 50)),
}
every_maker = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def runs(row):
    """First and last timestep + 1 of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return [tuple(pair) for pair in edges.reshape(-1, 2).tolist()]


def test_every_maker_is_public():
    public = [name for name in datasets.__all__ if name.startswith("make_")]
    assert public == sorted(make.__name__ for make in MAKERS)


@every_maker
@pytest.mark.parametrize("n_instances", [22, 100])
def test_sets_have_the_promised_shapes_and_balanced_shuffled_classes(make, n_instances):
    n_classes, shape = MAKERS[make]
    X, y, mask = make(n_instances, random_state=0)
    assert (X.shape, X.dtype) == ((n_instances, *shape), np.float32)
    assert (y.shape, y.dtype) == ((n_instances,), np.int64)
    assert (mask.shape, mask.dtype) == (X.shape, bool)
    assert np.isfinite(X).all()
    counts = np.bincount(y, minlength=n_classes)
    assert len(counts) == n_classes
    assert counts.max() - counts.min() <= 1
    assert not (np.diff(y) >= 0).all()
    assert not (y == np.arange(n_instances) % n_classes).all()


@every_maker
def test_equal_seeds_give_equal_bits_and_other_seeds_do_not(make):
    n_classes = MAKERS[make][0]
    np.random.seed(1)
    one = make(n_classes, random_state=7)
    np.random.seed(2)
    two = make(n_classes, random_state=7)
    other = make(n_classes, random_state=8)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))
    assert (one[0] != other[0]).any()
    assert (make(n_classes)[0] != make(n_classes)[0]).any()


@every_maker
def test_generators_are_drawn_from_and_numpys_own_is_left_alone(make):
    n_classes = MAKERS[make][0]
    before = np.random.get_state()[1:3]
    for kind in (np.random.default_rng, np.random.RandomState):
        first, second = kind(0), kind(0)
        a, b = make(n_classes, random_state=first), make(n_classes, random_state=first)
        again = make(n_classes, random_state=second)
        np.testing.assert_array_equal(a[0], again[0])
        assert (a[0] != b[0]).any()
    make(n_classes)
    after = np.random.get_state()[1:3]
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1] == after[1]


@every_maker
def test_int_seeds_the_generator_that_numpy_makes_of_it(make):
    n_classes = MAKERS[make][0]
    for a, b in zip(
        make(n_classes, random_state=np.int64(3)),
        make(n_classes, random_state=np.random.default_rng(3)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@every_maker
@pytest.mark.parametrize("n_instances", [0, 1, -5, 8.0, "8", None, True])
def test_too_few_instances_are_refused(make, n_instances):
    with pytest.raises(ParameterError, match=rf"n_instances={n_instances!r}; .* of [24] or more"):
        make(n_instances)


@every_maker
@pytest.mark.parametrize("random_state", [-1, 0.5, "seed", True, [1], np.arange(3)], ids=str)
def test_unusable_seeds_are_refused(make, random_state):
    with pytest.raises(ParameterError, match="random_state="):
        make(random_state=random_state)


@pytest.mark.parametrize(
    ("make", "name", "values"),
    [
        (make_freq_shapes, "noise", (-0.1, np.nan, np.inf, "much", None)),
        (make_seq_comb, "noise", (-0.1, np.nan, "much")),
        (make_seq_comb, "amplitude", (0, -1, np.inf, None)),
        (make_low_var, "noise", (-0.1, np.nan, "much")),
        (make_middle_box, "height", (0, -1, np.nan)),
        (make_rare_time, "height", (0, "high")),
        (make_rare_feature, "height", (0, None)),
    ],
)
def test_unusable_options_are_refused(make, name, values):
    for value in values:
        with pytest.raises(ParameterError, match=f"{name}={value!r}; expected"):
            make(**{name: value})


def test_freq_shapes_marks_exactly_the_spikes():
    X, y, mask = make_freq_shapes(400, noise=0, random_state=0)
    for series, label, marked in zip(X[:, 0], y, mask[:, 0], strict=True):
        sign = 1 if label in (1, 3) else -1
        period = 10 if label in (0, 1) else 17
        spikes = runs(marked)
        assert len(spikes) in ((4, 5) if period == 10 else (2, 3))
        assert all(stop - start == 3 for start, stop in spikes)
        starts = [start for start, _ in spikes]
        assert set(np.diff(starts)) == {period}
        assert starts[0] < period  # no spike is missing at the front ...
        assert starts[-1] + period + 3 > 50  # ... or at the end
        for start in starts:
            assert series[start : start + 3].tolist() == [sign * 1.75, sign * 2, sign * 1.75]
        assert (series[~marked] == 0).all()


def test_freq_shapes_start_at_every_phase():
    _, y, mask = make_freq_shapes(2000, random_state=0)
    first = mask[:, 0].argmax(axis=1)
    assert set(first[y < 2]) == set(range(10))
    assert set(first[y >= 2]) == set(range(17))


def test_freq_shapes_noise_is_normal_with_its_standard_deviation():
    quiet, y, mask = make_freq_shapes(2000, noise=0, random_state=0)
    X, y_again, mask_again = make_freq_shapes(2000, random_state=0)
    np.testing.assert_array_equal(y, y_again)
    np.testing.assert_array_equal(mask, mask_again)
    assert abs(X[~mask].mean()) < 0.01
    for marked in (mask, ~mask):
        assert (X - quiet)[marked].std() == pytest.approx(0.25, rel=0.02)


def test_seq_comb_marks_two_ramps_in_the_order_of_the_class():
    X, y, mask = make_seq_comb(800, noise=0, amplitude=2, random_state=0)
    directions = {1: (-1, -1), 2: (1, 1), 3: (1, -1)}
    lengths, starts, touching = set(), [], 0
    assert not mask[y == 0].any()
    for series, label, marked in zip(X[:, 0], y, mask[:, 0], strict=True):
        if label == 0:
            continue
        ends = [t for t in range(200) if marked[t] and abs(series[t]) == 2]
        assert len(ends) == 4, "a ramp is marked that does not begin and end at the amplitude"
        first, second = (ends[0], ends[1] + 1), (ends[2], ends[3] + 1)
        assert first[0] < 100
        assert first[1] <= second[0]
        assert marked.sum() == first[1] - first[0] + second[1] - second[0]
        for (start, stop), direction in zip((first, second), directions[label], strict=True):
            assert marked[start:stop].all()
            steps = np.diff(series[start:stop].astype(float))
            np.testing.assert_allclose(steps, direction * 4 / (stop - start - 1), rtol=1e-5)
            lengths.add(stop - start)
        starts.append((first[0], second[0]))
        touching += first[1] == second[0]
    assert lengths == set(range(10, 20))
    starts = np.array(starts)
    assert starts[:, 0].min() == 0
    assert starts[:, 0].max() == 99
    assert starts[:, 1].max() > 180
    assert touching < 50


def test_seq_comb_ramps_stand_out_of_the_noise_by_default():
    X, y, mask = make_seq_comb(200, random_state=0)
    for series, label, marked in zip(X[:, 0], y, mask[:, 0], strict=True):
        found = runs(marked)
        if label in (1, 2) and len(found) == 2:
            for start, stop in found:
                assert (np.sign(np.diff(series[start:stop])) == (-1, 1)[label - 1]).all()
    assert X[~mask].min() > 0.1
    assert X[~mask].max() < 0.45


def test_seq_comb_base_is_a_bounded_narma_series():
    X, _, mask = make_seq_comb(400, noise=0, random_state=0)
    assert X[~mask].min() > 0.19  # 0.1 / 0.6 and a little, where every input is 0
    assert X[~mask].max() < 0.397  # the fixed point where every input is 0.5
    series = X[~mask.any(axis=(1, 2)), 0].astype(float)
    cubes = series[:, 2:] - 0.4 * series[:, 1:-1] - 0.4 * series[:, 1:-1] * series[:, :-2] - 0.1
    inputs = np.cbrt(np.clip(cubes / 0.6, 0, None))
    assert inputs.max() < 0.501
    np.testing.assert_allclose(
        np.quantile(inputs, [0.25, 0.5, 0.75]), [0.125, 0.25, 0.375], atol=0.01
    )
    start, end = series[:, :20].mean(), series[:, -20:].mean()
    assert start == pytest.approx(end, abs=0.005)  # no sign of where it was started


def test_low_var_marks_a_quiet_segment_on_the_channel_of_the_class():
    X, y, mask = make_low_var(800, random_state=0)
    lengths, starts = set(), set()
    for series, label, marked in zip(X, y, mask, strict=True):
        channel, sign = divmod(int(label), 2)
        assert not marked[1 - channel].any()
        [(start, stop)] = runs(marked[channel])
        segment = series[channel, start:stop]
        assert segment.mean() == pytest.approx(1.5 if sign else -1.5, abs=0.15)
        assert 0.03 < segment.std() < 0.2
        lengths.add(stop - start)
        starts.add(start)
    assert lengths == set(range(10, 20))
    assert (min(starts), max(starts)) == (20, 159)
    assert (X[mask] - np.sign(X[mask]) * 1.5).std() == pytest.approx(0.1, rel=0.05)
    for channel in (0, 1):
        beside = X[:, channel][~mask[:, channel]]
        assert beside.mean() == pytest.approx(0.235, abs=0.02)
        assert beside.std() == pytest.approx(1, rel=0.02)


def test_low_var_without_noise_leaves_the_bounded_base():
    X, _, mask = make_low_var(100, noise=0, random_state=0)
    assert 0.16 < X[~mask].min() < X[~mask].max() < 0.397
    assert (X[:, 0] != X[:, 1]).any()


@pytest.mark.parametrize(
    ("make", "timesteps", "channels"),
    [
        (make_middle_box, (10, 40), (10, 40)),
        (make_rare_time, (22, 28), (5, 45)),
        (make_rare_feature, (5, 45), (22, 28)),
    ],
)
def test_boxes_lie_where_the_benchmark_has_them(make, timesteps, channels):
    X, y, mask = make(60, height=3, random_state=0)
    for series, label, marked in zip(X, y, mask, strict=True):
        for c in range(50):
            for t in range(50):
                inside = channels[0] <= c < channels[1] and timesteps[0] <= t < timesteps[1]
                assert marked[c, t] == inside
        assert series[marked].mean() == pytest.approx(3 if label else -3, abs=0.3)
        assert series[~marked].mean() == pytest.approx(0, abs=0.15)
    np.testing.assert_allclose(X[y == 1].mean(axis=0)[mask[0]], 3, atol=1)
    assert np.where(mask, 0, X).std() == pytest.approx(np.sqrt((~mask).mean()), rel=0.02)
    by_default = make(60, random_state=0)[0]
    assert by_default[y == 0][mask[y == 0]].mean() == pytest.approx(-1, abs=0.05)


def test_maker_of_one_box_marks_series_apart():
    _, _, mask = make_rare_time(4, random_state=0)
    mask[0] = False
    assert mask[1].any()


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
        with pytest.raises(DatasetError, match="none is downloaded"):
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
            DatasetError, match=r"no .*GunPoint_TEST in one .* there is GunPoint_TRAIN.tsv\."
        ):
            load_ucr("GunPoint", split, data_dir)


def test_missing_folder_is_said_even_where_sktime_has_the_set(tmp_path):
    with pytest.raises(DatasetError, match=r"data_dir='.*nowhere' is no folder"):
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
        ("tsv", b"\xff\xfe\x00\x01", "is damaged, or no text"),
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
        ("ts", b"\xff\xfe\x00\x01", "is damaged, or no text"),
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


def test_import_of_the_room_adds_nothing_heavy():
    code = """
import sys, torch, skorch, sklearn.base
before = set(sys.modules)
import tsdistill.datasets
tsdistill.datasets.make_low_var(8)
added = {name.split(".")[0] for name in set(sys.modules) - before}
print(added & {"sktime", "captum", "matplotlib", "pandas", "numba"})
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
