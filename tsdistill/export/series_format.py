"""The format of the series that a fitted estimator takes, as JSON has it."""

from tsdistill.exceptions import ExportError, SavedFileError
from tsdistill.export.values import decoded, decoded_labels, encoded, encoded_labels, is_plain
from tsdistill.inputs.checks import is_whole
from tsdistill.inputs.forms import FORMS
from tsdistill.inputs.series import SeriesFormat


def encoded_format(fitted):
    """The format of the series that an estimator takes, from its fitted attributes, as JSON."""
    names = fitted.get("feature_names_in_")
    channels = fitted["_channel_names"]
    if not (is_plain(channels) and (names is None or is_plain(names.tolist()))):
        raise ExportError(
            "the names of the columns or channels are neither strings nor numbers, so they cannot "
            "be saved; fit on series whose names are strings."
        )
    form, uneven = fitted["_uneven_form"], {}
    if form is not None:
        lengths = [int(n) for n in fitted["_series_lengths"]]
        uneven = {"uneven": {"form": form.name, "lengths": lengths, "gaps": bool(form.gaps)}}
    return uneven | {
        "n_features": int(fitted["n_features_in_"]),
        "n_channels": int(fitted["n_channels_in_"]),
        "n_timepoints": int(fitted["n_timepoints_in_"]),
        "ndim": int(fitted["panel_ndim_"]),
        "feature_names": None if names is None else encoded_labels(names),
        "channel_names": encoded(channels),
    }


def decoded_format(value):
    """The SeriesFormat from which :func:`encoded_format` was made."""
    names = value["feature_names"]
    found = SeriesFormat(
        n_features_in=value["n_features"],
        feature_names_in=None if names is None else decoded_labels(names),
        n_channels=value["n_channels"],
        n_timepoints=value["n_timepoints"],
        ndim=value["ndim"],
        channel_names=decoded(value["channel_names"]),
        **_decoded_uneven(value.get("uneven")),
    )
    if not (found.channel_names is None or isinstance(found.channel_names, list)):
        raise SavedFileError("the names of the channels are damaged.")
    counts = found.n_channels, found.n_timepoints, found.n_features_in
    named = (found.feature_names_in, found.n_features_in), (found.channel_names, found.n_channels)
    if (
        not all(is_whole(n) and n > 0 for n in counts)
        or found.ndim not in (2, 3)
        or (found.ndim == 2 and found.n_channels != 1)
        or found.n_features_in != (found.n_timepoints if found.ndim == 2 else found.n_channels)
        or any(names is not None and len(names) != n for names, n in named)
        or (found.lengths is not None and found.lengths[1] > found.n_timepoints)
    ):
        raise SavedFileError(f"the format of the series cannot be: {str(value)[:200]}.")
    return found


def _decoded_uneven(value):
    """What a SeriesFormat has of series of unequal length; nothing for others, None."""
    if value is None:
        return {}
    form, lengths, gaps = value["form"], value["lengths"], value["gaps"]
    if (
        form not in FORMS
        or not isinstance(gaps, bool)
        or len(lengths) != 2
        or not all(is_whole(n) for n in lengths)
        or not 1 < lengths[0] <= lengths[1]
    ):
        raise SavedFileError(f"the ends of the series cannot be: {str(value)[:200]}.")
    return {"form": form, "lengths": tuple(lengths), "gaps": gaps}
