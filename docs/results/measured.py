"""Tables and pictures of the runs in ``docs/*.csv``, for the pages under ``docs/results``."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

FOLDER = Path(__file__).parents[1]
FIGURES = {
    "accuracy": "accuracy",
    "agreement": "agreement with the teacher",
    "KL": "KL (nats, lower is better)",
    "saliency": "saliency correlation",
}
COLOURS = {
    "labels": "#bbbbbb",
    "KD": "#7f7f7f",
    "KD, same copies": "#0072b2",
    "TSD as published": "#e69f00",
    "TSD, class": "#e69f00",
    "default": "#b2182b",
}
OTHERS = "#56b4e9"


def runs_of(*names, **conditions):
    """All runs of these files that meet the conditions, ``column=value`` or a list of values."""
    runs = pd.concat([pd.read_csv(FOLDER / f"{name}.csv") for name in names], ignore_index=True)
    for column, value in conditions.items():
        runs = runs[runs[column].isin(value if isinstance(value, list) else [value])]
    return runs


def means(runs, arms, figures=FIGURES):
    """The mean of each figure by arm, over seeds first and then over sets."""
    by_set = runs.groupby(["arm", "set"])[list(figures)].mean()
    table = by_set.groupby("arm").mean().loc[list(arms)].round(3)
    return table.rename_axis(index=None, columns="student")


def draw_by_set(runs, arms, figures=("agreement", "KL", "saliency")):
    """A panel for each figure, a row for each set, a dot for each arm."""
    sets = runs.groupby("set")["agreement"].mean().sort_values().index
    height = 1.3 + 0.24 * len(sets)
    figure, axes = plt.subplots(
        1, len(figures), figsize=(9, height), sharey=True, layout="constrained"
    )
    for ax, column in zip(axes, figures, strict=True):
        by_set = runs.groupby(["arm", "set"])[column].mean()
        for arm in arms:
            is_ours = arm == "default"
            ax.plot(
                by_set[arm].reindex(sets), np.arange(len(sets)), "o" if is_ours else "D",
                color=COLOURS.get(arm, OTHERS), markersize=7 if is_ours else 4.5,
                zorder=3 if is_ours else 2, label=arm,
            )  # fmt: skip
        ax.set_xlabel(FIGURES[column])
        ax.set_yticks(np.arange(len(sets)), sets)
        ax.grid(axis="y", color="#e6e6e6")
        ax.spines[["top", "right"]].set_visible(False)
        if column == "KL":
            ax.set_xscale("log")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(arms))
    return figure
