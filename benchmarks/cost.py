"""Fidelity against cost: how many questions to the teacher, and how many seconds of training?

Every run is a row of a CSV file, and runs that stand there are not repeated; the pictures come from
the CSV alone.

    python benchmarks/cost.py run --data-dir DIR --work-dir WORK --csv docs/cost.csv
    python benchmarks/cost.py draw --csv docs/cost.csv --folder docs

Saliency is by occlusion with zeros, on which no method trains, of up to 300 test series.
"""

import argparse
import pathlib

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from heavy import read_ucr
from ucr import LEAST_A_SERIES, add_run_options, run_missing
from ucr_tables import STYLES as OF_ARMS

from tsdistill.objectives import PerturbedSoftTargets
from tsdistill.training.recipe import epochs_of

KD = {"saliency_weight": 0}
PUBLISHED = {"label_weight": 1.0, "soft_target_weight": 0, "saliency_weight": 1.0}
METHODS = {
    "KD": KD,
    "KD on mixtures": KD,
    "KD, same copies": KD | {"auxiliary": PerturbedSoftTargets()},
    "TSD as published": PUBLISHED | {"saliency": "class"},
    "default": {},
}
STYLES = OF_ARMS | {"KD on mixtures": ("#009e73", "^")}
QUERIES = (250, 500, 1000, 2500, 5000, 10_000)
SHARES_OF_EPOCHS = (0.03, 0.1, 0.3, 1.0)
FIGURES = {"saliency": "saliency correlation", "agreement": "agreement"}


def arms_of(n_series, n_classes):
    """The methods with each number of questions, and with each share of the epochs."""
    arms = {"KD|queries|series alone": KD}
    for method, settings in METHODS.items():
        for n in QUERIES:
            if method == "KD" or n < LEAST_A_SERIES * n_series:
                continue
            more = {"n_mixtures": n - n_series} if method == "KD on mixtures" else {"n_queries": n}
            arms[f"{method}|queries|{n}"] = settings | more
        if method == "KD on mixtures":
            continue
        epochs = epochs_of(n_series, 32, n_classes)
        for share in SHARES_OF_EPOCHS:
            arms[f"{method}|epochs|{share}"] = settings | {"max_epochs": round(share * epochs)}
    return arms


def run_all(options):
    """Run what the CSV file does not hold yet."""
    options.work_dir.mkdir(parents=True, exist_ok=True)
    options.max_epochs, options.device, options.teacher_device = None, "cpu", "cpu"
    for name in options.sets:
        y = read_ucr(options.data_dir, name)[1]
        run_missing(arms_of(len(y), len(set(y))), [name], options)


def draw(options):
    """Draw one picture of questions and one of seconds."""
    runs = pd.read_csv(options.csv)
    runs[["method", "varied", "amount"]] = runs["arm"].str.split("|", expand=True)
    axes_of = {"queries": "questions to the teacher", "epochs": "seconds of training"}
    for varied, label in axes_of.items():
        of_kind = runs[runs["varied"] == varied]
        cost = "queries" if varied == "queries" else "training seconds"
        panels = list(of_kind.groupby(["teacher", "set"], sort=False))
        figure, axes = plt.subplots(
            2, len(panels), figsize=(2.5 * len(panels), 5), sharex=varied == "queries",
            sharey="row", layout="constrained", squeeze=False,
        )  # fmt: skip
        for column, ((teacher, name), of_panel) in enumerate(panels):
            for row, (figure_name, title) in enumerate(FIGURES.items()):
                ax = axes[row, column]
                for method, (colour, marker) in STYLES.items():
                    points = of_panel[of_panel["method"] == method]
                    points = points.groupby("amount")[[cost, figure_name]].mean()
                    points = points.sort_values(cost)
                    if len(points):
                        ax.plot(points[cost], points[figure_name], color=colour, marker=marker,
                                ms=4, lw=1.5, label=method)  # fmt: skip
                ax.set_xscale("log")
                ax.grid(alpha=0.25)
                ax.spines[["top", "right"]].set_visible(False)
                if row == 0:
                    ax.set_title(f"{name}\n{teacher}", fontsize=9)
                else:
                    ax.set_xlabel(label, fontsize=9)
                if column == 0:
                    ax.set_ylabel(title)
        lows = [np.nanpercentile(of_kind[name], 6) for name in FIGURES]
        for row, low in enumerate(lows):
            axes[row, 0].set_ylim(max(-0.2, low - 0.05), 1.01)
        handles, labels = axes[0, -1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        path = options.folder / f"fidelity_per_{'query' if varied == 'queries' else 'second'}.png"
        figure.savefig(path, dpi=110)
        print(path)


def main():
    """Read the arguments, run or draw."""
    matplotlib.use("Agg")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    add_run_options(running, ["inception", "minirocket"], ["MoteStrain", "CBF", "GunPoint"], 1)
    drawing = commands.add_parser("draw")
    drawing.add_argument("--csv", required=True, type=pathlib.Path)
    drawing.add_argument("--folder", required=True, type=pathlib.Path)
    options = parser.parse_args()
    {"run": run_all, "draw": draw}[options.command](options)


if __name__ == "__main__":
    main()
