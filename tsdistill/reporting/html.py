"""A FidelityReport as a self-contained HTML page."""

import base64
import datetime
import io
from html import escape
from typing import Any

import numpy as np

from tsdistill._version import __version__
from tsdistill.display.fidelity import draw_agreement, draw_curves
from tsdistill.display.saliency import SaliencyDisplay
from tsdistill.display.style import bare_figure, plain_style
from tsdistill.reporting.content_policy import policy, without_controls

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
    "negative_flips": "negative flips: teacher alone is right",
    "positive_flips": "positive flips: student alone is right",
}
STYLE = """
.tsdistill { color: #1c2833; background: #fff; font: 16px/1.5 system-ui, sans-serif;
  color-scheme: light; padding: 1.2rem; }
body.tsdistill { margin: 0 auto; max-width: 72rem; }
.tsdistill h1 { font-size: 1.5rem; margin: 0 0 .6rem; }
.tsdistill h2 { font-size: 1.15rem; margin: 2rem 0 .4rem; border-bottom: 1px solid #d5d8dc; }
.tsdistill p { max-width: 48rem; margin: .4rem 0; }
.tsdistill .verdict { font-size: 1.12rem; font-weight: 600; }
.tsdistill .warning { border-left: 4px solid #b9770e; background: #fdf2e0; padding: .3rem .8rem; }
.tsdistill .about, .tsdistill figcaption { font-size: .84rem; color: #424949; }
.tsdistill .wide { overflow-x: auto; }
.tsdistill table { border-collapse: collapse; font-size: .86rem; margin: .6rem 0; color: inherit;
  font-variant-numeric: tabular-nums; }
.tsdistill th, .tsdistill td { padding: .22rem .55rem; text-align: right; white-space: nowrap;
  color: inherit; }
.tsdistill th:first-child, .tsdistill td:first-child { text-align: left; white-space: normal;
  min-width: 8.5rem; }
.tsdistill tbody th { font-weight: 500; }
.tsdistill thead th { border-bottom: 1.5px solid #566573; vertical-align: bottom;
  white-space: normal; }
.tsdistill tbody tr { background: #fff; }
.tsdistill tbody tr:nth-child(even) { background: #f4f6f7; }
.tsdistill .pictures { display: grid; gap: .8rem; margin: .6rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 15.5rem), 1fr)); }
.tsdistill figure { margin: 0; }
.tsdistill img { width: 100%; height: auto; display: block; }
@media (max-width: 40rem) { .tsdistill table { font-size: .78rem; }
  .tsdistill th, .tsdistill td { padding: .2rem .3rem; }
  .tsdistill th:first-child { min-width: 6.5rem; } }
@media print { .tsdistill figure { break-inside: avoid; } }
"""
AREAS = "Areas under the curves; deletion: lower is better, insertion: higher."
LEGEND = "Red speaks for the teacher's prediction, blue and hatched against it."
COLUMNS = {
    "n_series": "series",
    "low": "interval from",
    "high": "to",
    "label_only": "labels only",
    "kl": "KL",
    "saliency": "correlation of maps",
    "saliency_random": "correlation, random map",
    "saliency_labels": "correlation, labels only",
    "agreement_labels": "agreement, labels only",
    "top_overlap": "overlap of tops",
    "top_overlap_random": "overlap, random map",
    "top_overlap_labels": "overlap, labels only",
    "p_teacher": "its p",
    "p_student": "its p",
    "ms_one_series": "ms, one series",
    "ms_per_series": "ms a series, many at once",
}


def page_of(report: Any, *, title: str | None = None) -> str:
    """The HTML of a report: a full page, or the tables alone, to embed in another page.

    Parameters
    ----------
    report : FidelityReport
    title : str, default=None
        Title of the full page. None gives the tables alone.

    Returns
    -------
    html : str
    """
    full = title is not None
    parts = [f'<p class="verdict">{_verdict(report)}</p>', f'<p class="about">{_about(report)}</p>']
    parts += [f'<p class="warning">{escape(text)}</p>' for text in report.warnings]
    parts.append(_measures(report))
    if full:
        parts.append(_curves(report))
    else:
        parts.append(_section("Areas under the curves", AREAS, _table(report.areas())))
    parts.append(_section("By the class that the teacher predicts", "", _table(report.per_class)))
    if full:
        typical = report.examples["typical"]
        text = "There is no series with the same prediction of both models."
        if typical:
            text = (
                "Series with the same prediction of both models, whose KL is close to the median "
                f"of these. {LEGEND}"
            )
        parts.append(_section("Typical series", text, _maps(typical)))
    text = (
        f"{report.n_differ:,} of {report.n_instances:,} predictions differ. The list starts with "
        "different predictions, and is then sorted by KL; the number is the row in X."
    )
    pictures = [_maps(report.examples["worst"])] if full else []
    parts.append(_section("Where they differ most", text, *pictures, _table(report.worst)))
    text = (
        "Latencies are medians of up to five queries, in one process. The size of a torch model "
        "counts its weights; any other model is pickled."
    )
    parts.append(_section("Sizes and latencies", text, _table(report.models)))
    body = without_controls("\n".join(parts))
    if not full:
        hint = "<p>to_html(path) writes the page with curves and maps.</p>"
        return f'<style>{STYLE}</style><div class="tsdistill">{body}{hint}</div>'
    title = without_controls(escape(title))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{policy()}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n"
        f'<body class="tsdistill">\n<h1>{title}</h1>\n{body}\n</body></html>\n'
    )


def _verdict(report):
    low, high = report.intervals["agreement"]
    text = (
        f"The student predicts what its teacher predicts for {100 * report.agreement:.1f} % of "
        f"{report.n_instances:,} series ({100 * report.confidence:g} % interval: "
        f"{100 * low:.1f} to {100 * high:.1f} %)."
    )
    return text.replace(" %", "&nbsp;%")


def _about(report):
    today = datetime.date.today().isoformat()
    return escape(f"{report.about}. Written on {today} by tsdistill {__version__}.")


def _measures(report):
    table = report.to_frame().rename(index=NAMES)
    some = report.n_explained < report.n_instances
    text = (
        f"Maps and curves are of {report.n_explained:,} series{', drawn at random' * some}, for "
        "the class that the teacher predicts. The maps use a baseline that the student was not "
        "trained on. Intervals: exact (Clopper-Pearson) for shares, bootstrap for the rest. A "
        "random map is noise."
    )
    return _section("Measures", text, _table(table))


def _section(title, text, *blocks):
    text = f"<p>{escape(text)}</p>" if text else ""
    return f"<section><h2>{escape(title)}</h2>{text}{''.join(blocks)}</section>"


def _table(frame):
    shown = frame.copy()
    if shown.index.nlevels > 1:
        shown.index = [", ".join(map(str, names)) for names in shown.index]
    shown.index.name = shown.columns.name = None
    shown.columns = [COLUMNS.get(name, str(name).replace("_", " ")) for name in shown.columns]
    html = shown.to_html(float_format=number, na_rep="", border=0)
    return f'<div class="wide">{html}</div>'


def number(value: float) -> str:
    """Format a value for a table: three decimals, or from 1000 on none, and commas."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def _curves(report):
    confidence, agrees = report.answers
    pictures = [
        _picture(
            lambda ax: draw_agreement(ax, confidence, agrees),
            "Share of equal predictions against the student's confidence",
        ),
        *(
            _picture(
                lambda ax, kind=kind: draw_curves(ax, report.curves, kind),
                f"{kind.capitalize()} curves of teacher and student",
            )
            for kind in ("deletion", "insertion")
        ),
    ]
    text = (
        "The first picture shows below which confidence the student should defer to its teacher. "
        "Each curve follows the model's own map. Timesteps are replaced by a baseline: the "
        "channel's mean, or a series of another class. Where all timesteps are replaced, a curve "
        "shows the model's answer to the baseline alone."
    )
    return _section(
        "Confidence, deletion and insertion", text,
        f'<div class="pictures">{"".join(pictures)}</div>', f"<p>{AREAS}</p>",
        _table(report.areas()),
    )  # fmt: skip


def _maps(examples):
    figures = []
    for example in examples:
        display = SaliencyDisplay(
            example["series"][np.newaxis],
            {name: m[np.newaxis] for name, m in example["maps"].items()},
        )
        same = example["teacher"] == example["student"]
        caption = (
            f"Series {example['row']}: the teacher predicts class {example['teacher']} "
            f"({example['p_teacher']:.2f}), the student {'too' if same else example['student']} "
            f"({example['p_student']:.2f}); KL {example['kl']:.3f}, correlation "
            f"{example['saliency']:.2f}"
        )
        figures.append(_picture(lambda figure, d=display: d.plot(figure=figure), caption,
                                size=(4.6, 4.0), of_figure=True))  # fmt: skip
    return f'<div class="pictures">{"".join(figures)}</div>'


def _picture(draw, caption, size=(4.6, 3.6), of_figure=False):
    """Draw an image into the page; a figure of its own is shown with its caption."""
    drawn = io.BytesIO()
    with plain_style():  # the page is white, whatever style the user has set
        figure = bare_figure(size)
        draw(figure if of_figure else figure.subplots())
        figure.savefig(drawn, format="png", dpi=130)
    data = base64.b64encode(drawn.getvalue()).decode("ascii")
    below = f"<figcaption>{escape(caption)}</figcaption>" if of_figure else ""
    image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}{below}</figure>"
