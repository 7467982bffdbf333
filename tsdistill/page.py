"""A FidelityReport as one page of HTML that needs nothing else to be read."""

import base64
import io
import os
import pathlib
import tempfile
from html import escape

import numpy as np

from tsdistill.display import SaliencyDisplay, draw_agreement, draw_curves

NAMES = {
    "agreement": "same prediction as the teacher",
    "kl": "KL(teacher || student), nats",
    "js": "Jensen-Shannon divergence, nats",
    "saliency": "correlation of the saliency maps",
    "top_overlap": "overlap of the maps' top tenths",
    "accuracy": "student's accuracy",
    "teacher_accuracy": "teacher's accuracy",
    "nll": "student's negative log-likelihood, nats",
    "teacher_nll": "teacher's negative log-likelihood, nats",
    "ece": "student's calibration error",
    "teacher_ece": "teacher's calibration error",
}
STYLE = """
:root { color-scheme: light; }
body.tsdistill { margin: 0 auto; padding: 1.2rem; max-width: 72rem; color: #1c2833;
  background: #fff; font: 16px/1.5 system-ui, sans-serif; }
.tsdistill h1 { font-size: 1.5rem; margin: 0 0 .6rem; }
.tsdistill h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; border-bottom: 1px solid #d5d8dc; }
.tsdistill p { max-width: 48rem; margin: .4rem 0; }
.tsdistill .verdict { font-size: 1.12rem; font-weight: 600; }
.tsdistill .wide { overflow-x: auto; }
.tsdistill table { border-collapse: collapse; font-size: .86rem; margin: .6rem 0;
  font-variant-numeric: tabular-nums; }
.tsdistill th, .tsdistill td { padding: .22rem .7rem; text-align: right; white-space: nowrap; }
.tsdistill th:first-child, .tsdistill td:first-child { text-align: left;
  white-space: normal; }
.tsdistill tbody th { font-weight: 500; }
.tsdistill thead th { border-bottom: 1.5px solid #566573; vertical-align: bottom; }
.tsdistill tbody tr:nth-child(even) { background: #f4f6f7; }
.tsdistill .pictures { display: grid; gap: .8rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 15.5rem), 1fr)); }
.tsdistill figure { margin: 0; }
.tsdistill img { width: 100%; height: auto; display: block; }
.tsdistill figcaption { font-size: .84rem; color: #424949; }
@media print { .tsdistill figure { break-inside: avoid; } }
"""


def page_of(report, *, whole):
    """The HTML of a report: a whole page with pictures, or its tables, to stand in another page.

    Parameters
    ----------
    report : FidelityReport
    whole : bool

    Returns
    -------
    html : str
    """
    title = "<h1>Fidelity report</h1>" if whole else ""
    parts = [f'{title}<p class="verdict">{_verdict(report)}</p>', _measures(report)]
    if whole:
        parts.append(_curves(report))
    parts.append(_section(
        "By the class that the teacher predicts", "", _table(report.per_class)
    ))  # fmt: skip
    if whole:
        parts.append(_maps(report, "typical", "Typical series",
                           "Series on which the two differ about as much as on most."))  # fmt: skip
        parts.append(_maps(report, "worst", "The worst series",
                           "Series on which the two differ most, by KL."))  # fmt: skip
    parts.append(_section("Where they differ most", "", _table(report.worst)))
    parts.append(_section(
        "Sizes and latencies", "Medians of five questions each, asked in one process.",
        _table(report.models),
    ))  # fmt: skip
    body = "\n".join(parts)
    if not whole:
        return f'<style>{STYLE}</style><div class="tsdistill">{body}</div>'
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Fidelity report</title><style>{STYLE}</style></head>\n"
        f'<body class="tsdistill">\n{body}\n</body></html>\n'
    )


def _verdict(report):
    low, high = report.intervals["agreement"]
    return (
        f"The student predicts what its teacher predicts for {100 * report.agreement:.1f} % of "
        f"{report.n_instances:,} series ({100 * report.confidence:g} % interval: "
        f"{100 * low:.1f} to {100 * high:.1f} %)."
    )


def _measures(report):
    table = report.to_frame().rename(index=NAMES)
    text = (
        f"Maps and curves are of {report.n_explained:,} series, drawn at random, for the class "
        "that the teacher predicts, by fills that the student was not trained on. Intervals: "
        "exact (Clopper-Pearson) of shares, bootstrap of the rest. A random map knows nothing."
    )
    return _section("Measures", text, _table(table))


def _section(title, text, *blocks):
    text = f"<p>{escape(text)}</p>" if text else ""
    return f"<section><h2>{escape(title)}</h2>{text}{''.join(blocks)}</section>"


def _table(frame):
    shown = frame.copy()
    shown.columns = [str(column).replace("_", " ") for column in shown.columns]
    html = shown.to_html(float_format=_number, na_rep="", border=0)
    return f'<div class="wide">{html}</div>'


def _number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def _curves(report):
    confidence, agrees = report.answers
    pictures = [
        _picture(lambda ax: draw_agreement(ax, confidence, agrees),
                 "Share of equal predictions against the student's confidence"),
        *(
            _picture(lambda ax, kind=kind: draw_curves(ax, report.curves, kind),
                     f"{kind.capitalize()} curves of teacher and student")
            for kind in ("deletion", "insertion")
        ),
    ]  # fmt: skip
    text = (
        "The first picture shows below what confidence the student had better ask its teacher. In "
        "the curves each model goes by its own map, and what takes a timestep's place is the "
        "channel's mean, or a series of another class."
    )
    return _section(
        "Confidence, deletion and insertion", text,
        f'<div class="pictures">{"".join(pictures)}</div>', _table(report.areas()),
    )  # fmt: skip


def _maps(report, which, title, text):
    figures = []
    for one in report.examples[which]:
        display = SaliencyDisplay(
            one["series"][np.newaxis], {name: m[np.newaxis] for name, m in one["maps"].items()}
        )
        caption = (
            f"Series {one['row']}: teacher {one['teacher']} ({one['p_teacher']:.2f}), student "
            f"{one['student']} ({one['p_student']:.2f}); KL {one['kl']:.3f}, correlation "
            f"{one['saliency']:.2f}"
        )
        figures.append(_picture(lambda figure, d=display: d.plot(figure=figure), caption,
                                size=(4.6, 0.6 + 1.7 * 2 * len(one["series"])), of_figure=True,
                                shown=True))  # fmt: skip
    text += " Red speaks for the teacher's prediction, blue and hatched against it."
    return _section(title, text, f'<div class="pictures">{"".join(figures)}</div>')


def _picture(draw, caption, size=(4.6, 3.6), of_figure=False, shown=False):
    """A drawing as an image inside the page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure if of_figure else figure.subplots())
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=130)
    data = base64.b64encode(drawn.getvalue()).decode("ascii")
    below = f"<figcaption>{escape(caption)}</figcaption>" if shown else ""
    image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}{below}</figure>"


def write_whole(path, text):
    """Write a file, or leave what is there: it is never seen half written.

    Parameters
    ----------
    path : str or path
    text : str
    """
    path = pathlib.Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
