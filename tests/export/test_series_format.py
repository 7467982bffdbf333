"""The format of series comes back from JSON, and one that cannot be is refused."""

import numpy as np
import pytest

from tsdistill.exceptions import ExportError, SavedFileError
from tsdistill.export.series_format import decoded_format, encoded_format

FLAT = {
    "n_features": 5, "n_channels": 1, "n_timepoints": 5, "ndim": 2, "feature_names": None,
    "channel_names": None,
}  # fmt: skip
PANEL = FLAT | {"n_features": 2, "n_channels": 2, "ndim": 3}
UNEVEN = PANEL | {"uneven": {"form": "list", "lengths": [2, 5], "gaps": False}}


def uneven(**changes):
    return UNEVEN | {"uneven": UNEVEN["uneven"] | changes}


def names(*texts):
    return {"dtype": "|O", "values": list(texts)}


@pytest.mark.parametrize(
    "value",
    [
        FLAT, PANEL, FLAT | {"n_features": 1, "n_timepoints": 1}, uneven(lengths=[5, 5]),
        FLAT | {"feature_names": names(*"abcde")}, PANEL | {"channel_names": ["a", 3]},
        PANEL | {"feature_names": names("a", "b"), "channel_names": ["a", "b"]},
        uneven(gaps=True, form="array"), UNEVEN, FLAT | {"channel_names": ["a"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_format_comes_back(value):
    found = decoded_format(value)
    fitted = found.attributes()
    assert (found.n_channels, found.n_timepoints) == (value["n_channels"], value["n_timepoints"])
    assert encoded_format(fitted) == value
    ends = value.get("uneven", {})
    assert found.lengths == (tuple(ends["lengths"]) if ends else None)
    assert (found.form, found.gaps) == (ends.get("form"), ends.get("gaps", False))


@pytest.mark.parametrize(
    "value",
    [
        *(FLAT | {"n_features": n, "n_timepoints": n} for n in (0, -1, 5.0, True)),
        *(PANEL | {"n_features": n, "n_channels": n} for n in (0, 2.0)),
        *(FLAT | {"ndim": n} for n in (1, 3, 4, None)),
        FLAT | {"n_features": 4}, PANEL | {"n_features": 5}, PANEL | {"ndim": 2},
        FLAT | {"n_channels": 2}, FLAT | {"feature_names": names("a")},
        FLAT | {"channel_names": ["a"] * 5}, PANEL | {"feature_names": names("a", "b", "c")},
        PANEL | {"channel_names": ["a"]}, uneven(lengths=[2, 6]),
    ],
    ids=str,
)  # fmt: skip
def test_a_format_that_cannot_be_is_refused(value):
    with pytest.raises(SavedFileError, match="^the format of the series cannot be"):
        decoded_format(value)


@pytest.mark.parametrize(
    "changes",
    [
        {"form": "tuple"}, {"form": None}, {"gaps": 1}, {"gaps": None}, {"lengths": [1, 5]},
        {"lengths": [4, 3]}, {"lengths": [2, 3, 4]}, {"lengths": [2]}, {"lengths": [2.0, 5]},
        {"lengths": [2, True]},
    ],
    ids=str,
)  # fmt: skip
def test_ends_that_cannot_be_are_refused(changes):
    with pytest.raises(SavedFileError, match="^the ends of the series cannot be"):
        decoded_format(uneven(**changes))


def test_names_of_channels_are_a_list():
    for channels in ("ab", {"tuple": ["a", "b"]}, 2):
        with pytest.raises(SavedFileError, match="names of the channels are damaged"):
            decoded_format(PANEL | {"channel_names": channels})


def test_names_that_are_neither_texts_nor_numbers_are_not_saved():
    fitted = decoded_format(PANEL).attributes()
    odd = np.array([object(), object()])
    for changes in ({"_channel_names": odd.tolist()}, {"feature_names_in_": odd}):
        with pytest.raises(ExportError, match="names of the columns or channels are neither"):
            encoded_format(fitted | changes)
