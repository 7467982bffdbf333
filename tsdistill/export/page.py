"""A fitted student as one self-contained web page, which answers and explains in the browser."""

import base64
import html
import json
import pathlib
import re

import numpy as np

from tsdistill._version import __version__
from tsdistill.export.c import program_of_model, texts_of
from tsdistill.export.fitted import FittedStudent
from tsdistill.inputs.files import write_whole
from tsdistill.inputs.lengths import lengths_of
from tsdistill.inputs.stored import StoredPanel
from tsdistill.inputs.types import Fill, Float32Array, Path
from tsdistill.reporting.content_policy import policy, without_controls

TEMPLATE = pathlib.Path(__file__).parent / "page.html"
SCRIPT = re.compile(r"<script[^>]*>(.*?)</script>", flags=re.DOTALL)
MOST_BYTES = 100_000
MOST_DONORS = 30_000
FEWEST_SERIES = 3
LONGEST_POLICY = 500  # bytes


def write_page(
    path: Path, model: FittedStudent, panel: Float32Array | StoredPanel, fill: Fill | None
) -> None:
    """Write a fitted student to a web page.

    Parameters
    ----------
    path : str or path
        Its folder exists.
    model : FittedStudent
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        Series to begin with; as many of the first as the page has room for, at least three.
    fill : {"opposing", "mean", "zero"} or None
        The baseline of the maps. None is "opposing", but "mean" where its series take more than
        30 kB.

    Raises
    ------
    ExportError
        If the student has a layer that cannot be written.
    """
    write_whole(pathlib.Path(path), page_of(model, panel, fill))


def page_of(model, panel, fill=None):
    """The page of a FittedStudent, as text; see :func:`write_page`."""
    program = program_of_model(model)
    if fill is None:
        donors, _ = model.baselines.donors("opposing", len(model.classes))
        fill = "opposing" if len(_base64(donors)) <= MOST_DONORS else "mean"
    donors, rows = model.baselines.donors(fill, len(model.classes))
    n_channels, _ = model.shape
    labels = [_shown(label) for label in texts_of(model.classes)]
    fewest, most = model.range
    size = f"{most}" if fewest == most else f"{fewest} to {most}"
    size = f"{n_channels} x {size}" if n_channels > 1 else size
    share = model.width if isinstance(model.width, float) else None
    donors, donor_lengths = _with_own_lengths(donors)
    content = {
        "classes": labels,
        "channels": [str(name) for name in (model.channels or range(n_channels))],
        "n_channels": n_channels,
        "fewest": fewest,
        "most": most,
        "gaps": model.uneven is not None and model.uneven.gaps,
        "steps": [_step(step) for step in program.steps],
        "shapes": program.shapes,
        "result": program.result,
        "gives_proba": program.gives_proba,
        "width": model.width if share is None else None,
        "share": share,
        "donors": _base64(donors),
        "donor_lengths": donor_lengths,
        "donor_rows": rows.tolist(),
        "means": model.baselines.channel_means.tolist(),
        "about": (
            f"A network that runs in this page tells {len(labels)} classes of series of {size} "
            "timesteps apart. The colours show what each stretch does for the answer: the change "
            f"when {_REPLACEMENTS[fill]} takes its place."
        ),
        "details": (
            f"Written by tsdistill {__version__}. Nothing is sent anywhere: the student, "
            f"{program.n_weight_bytes} bytes of weights"
            + (f" of {model.bits} bits each" if model.bits != 32 else "")
            + f", and its {program.n_multiplications} multiplications a series are in this file. "
            + (
                f"A stretch is {model.width} timesteps."
                if share is None
                else f"A stretch is {share:.3g} of the timesteps of a series."
            )
        ),
    }
    text, title = TEMPLATE.read_text(encoding="utf-8"), html.escape(_title(labels))
    taken = len(text.encode()) + LONGEST_POLICY + len(_script(content | {"series": ""}).encode())
    each = panel[0].nbytes * 4 / 3 + len(f"{most},")  # its numbers in base64, and its length
    n_shown = int(np.clip((MOST_BYTES - taken) // each, min(FEWEST_SERIES, len(panel)), len(panel)))
    series, lengths = _with_own_lengths(panel[:n_shown])
    content |= {"series": _base64(series), "lengths": lengths}
    parts = {"TITLE": title, "MODEL": _script(content)}
    scripts = [_filled(one, parts) for one in SCRIPT.findall(text)]
    return _filled(text, parts | {"POLICY": policy(scripts)})


def _filled(text, parts):
    return re.sub(r"\$(TITLE|MODEL|POLICY)\$", lambda found: parts[found[1]], text)


_REPLACEMENTS = {
    "opposing": "that stretch of series of other classes",
    "mean": "the mean of the channel",
    "zero": "zero",
}


def _with_own_lengths(panel):
    """Numbers of all series, each up to its end, one after another; and their lengths."""
    lengths = lengths_of(panel)
    parts = [one[:, :length].ravel() for one, length in zip(panel, lengths, strict=True)]
    return np.concatenate(parts), lengths.tolist()


def _title(labels):
    names = ", ".join(label[:40] for label in labels[:4]) + (", ..." if len(labels) > 4 else "")
    return without_controls(f"Which class is this series: {names}?")


def _shown(label):
    text = label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
    return text.encode("utf-8", "replace").decode()


def _step(step):
    weights = {}
    for name, weight in step.weights.items():
        if weight.codes is None:
            weights[name] = {"values": _base64(weight.values)}
        else:
            weights[name] = {"codes": _base64(weight.codes), "scale": _base64(weight.scale)}
    return {
        "operation": step.operation,
        "inputs": step.inputs,
        "output": step.output,
        "settings": step.settings,
        "weights": weights,
        "relu": step.relu,
    }


def _base64(values):
    """Numbers in the order of bytes that browsers have."""
    values = np.ascontiguousarray(values)
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


def _script(content):
    """JSON, in ASCII, that can stand inside a script element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
