"""The tables and the picture of sets x seeds x teachers x arms."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import bootstrap, rankdata
from strong import PUBLISHED

FIGURES = ["accuracy", "agreement", "KL", "saliency", "negative flips"]
COSTS = ["weights", "queries", "training seconds", "seconds", "us a series"]
HIGHER_IS_BETTER = {"accuracy": 1, "agreement": 1, "KL": -1, "saliency": 1}
STYLES = {
    "KD": ("#7f7f7f", "D"),
    "KD, same copies": ("#0072b2", "s"),
    "TSD as published": ("#e69f00", "v"),
    "default": ("#b2182b", "o"),
}
TITLES = {
    "accuracy": "accuracy less the teacher's",
    "agreement": "agreement",
    "KL": "KL (nats)",
    "saliency": "saliency correlation",
}


def print_tables(kind, runs, arms, published=None):
    """Print the tables of one teacher: means, ranks, wins, intervals, sets and published values."""
    order = [arm for arm in arms if arm in set(runs["arm"])]
    by_set = runs.groupby(["set", "arm"])[[*FIGURES, "teacher accuracy"]].mean()
    sets = sorted(runs["set"].unique())
    accuracy = by_set["teacher accuracy"].groupby("set").mean().mean()
    n_seeds = runs["seed"].nunique()
    print(f"== {kind}, accuracy {accuracy:.4f}; {len(sets)} sets, {n_seeds} seed(s) ==\n")
    mean = by_set.groupby("arm")[FIGURES].mean().loc[order]
    costs = runs.groupby("arm")[COSTS].mean()
    print(mean.join(costs).round(4).to_string(), "\n")
    if runs["seed"].nunique() > 1:
        spread = runs.groupby(["arm", "set"])[FIGURES].std().groupby("arm").mean().loc[order]
        print("standard deviation over seeds, mean of the sets")
        print(spread.round(4).to_string(), "\n")
    wide = {f: by_set[f].unstack("arm")[order].loc[sets] for f in FIGURES}
    ranks = pd.DataFrame(
        {f: rankdata(-up * wide[f].to_numpy(), axis=1).mean(axis=0)
         for f, up in HIGHER_IS_BETTER.items()}, index=order,
    )  # fmt: skip
    print("mean ranks over sets (1 is best)\n", ranks.round(2).to_string(), "\n")
    if "default" in order:
        shares = wide["KL"][["default"]].to_numpy() / wide["KL"].drop(columns="default")
        print("the default's KL as a share of each arm's, median over sets")
        print(shares.median().round(3).to_string(), "\n")
        print("default against each arm: sets won / tied / lost, and mean difference [95 %]")
        for arm in (arm for arm in order if arm != "default"):
            print(
                f"  {arm:18}", *(against(wide[f], arm, f, up) for f, up in HIGHER_IS_BETTER.items())
            )
        print()
    for figure in ("accuracy", "agreement", "KL", "saliency"):
        print(figure, "by set\n", wide[figure].round(4).to_string(), "\n")
    if published is not None:
        beside = published.loc[published.index.intersection(sets)]
        teacher = by_set["teacher accuracy"].groupby("set").mean().loc[beside.index]
        columns = ["LITE", "LITETime", "COCALITE", "Inception", "InceptionTime", "MiniROCKET",
                   "MR-Hydra", "HC2"]  # fmt: skip
        table = beside[columns].assign(teacher=teacher)
        for arm in order:
            table[arm] = wide["accuracy"].loc[beside.index, arm]
        print("mean accuracy beside published values\n", table.mean().round(4).to_string())
        if kind in PUBLISHED:
            gap = (table["teacher"] - table[PUBLISHED[kind]]).sort_values()
            worst = ", ".join(f"{name} {value:+.3f}" for name, value in gap.head(4).items())
            print(f"teacher below {PUBLISHED[kind]} as published most on: {worst}")
        print()


def against(wide, arm, figure, up):
    """The default beside an arm: sets won, tied and lost, the mean difference, its interval."""
    gain = up * (wide["default"] - wide[arm])
    low, high = (np.nan, np.nan)
    if len(gain) > 1 and gain.std() > 0:
        interval = bootstrap((gain,), np.mean, method="percentile", rng=0).confidence_interval
        low, high = interval.low, interval.high
    won, lost = (gain > 1e-12).sum(), (gain < -1e-12).sum()
    tied = len(gain) - won - lost
    return f"{figure} {won}/{tied}/{lost} {gain.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def draw(runs):
    """Draw every figure of every set: a row of panels for each teacher, a line for each set.

    Parameters
    ----------
    runs : DataFrame
        Rows of the CSV file.

    Returns
    -------
    figure : matplotlib.figure.Figure
    """
    runs = runs[runs["arm"].isin(STYLES)]
    runs = runs.assign(accuracy=runs["accuracy"] - runs["teacher accuracy"])
    kinds = list(runs["teacher"].unique())
    heights = [1.2 + 0.22 * runs.loc[runs["teacher"] == kind, "set"].nunique() for kind in kinds]
    figure, axes = plt.subplots(
        len(kinds), len(TITLES), figsize=(11, 0.5 + sum(heights)), height_ratios=heights,
        layout="constrained", squeeze=False, sharey="row",
    )  # fmt: skip
    for row, kind in zip(axes, kinds, strict=True):
        of_kind = runs[runs["teacher"] == kind].groupby(["set", "arm"])[list(TITLES)].mean()
        sets = of_kind["saliency"].xs("default", level="arm").sort_values().index
        for ax, (name, title) in zip(row, TITLES.items(), strict=True):
            values = of_kind[name].unstack("arm").loc[sets]
            ax.hlines(
                range(len(sets)), values.min(axis=1), values.max(axis=1), color="0.85", zorder=0
            )
            for arm, (colour, marker) in STYLES.items():
                if arm in values:
                    ax.plot(values[arm], range(len(sets)), marker, color=colour, ms=5, label=arm)
            ax.set_title(title, fontsize=10)
            ax.set_yticks(range(len(sets)), sets, fontsize=8)
            ax.tick_params(axis="x", labelsize=8)
            ax.spines[["top", "right", "left"]].set_visible(False)
            if name == "KL":
                ax.set_xscale("log")
            if name == "accuracy":
                ax.axvline(0, color="0.6", lw=0.8)
        row[0].set_ylabel(f"teacher: {kind}", fontsize=10)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure
