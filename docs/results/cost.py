"""
Fidelity against questions and seconds
======================================

How many questions to the teacher, and how many seconds of training, does fidelity take? Two sets
and two teachers, one seed.
"""

import matplotlib.pyplot as plt
from measured import COLOURS, OTHERS, runs_of

runs = runs_of("cost")
runs[["method", "axis", "budget"]] = runs["arm"].str.split("|", expand=True)


def draw(axis, x, label):
    """A panel for each set and teacher, a line for each method."""
    chosen = runs[runs["axis"] == axis]
    panels = list(chosen.groupby(["set", "teacher"]))
    figure, axes = plt.subplots(1, 4, figsize=(10, 3.2), sharey=True, layout="constrained")
    for ax, ((name, teacher), group) in zip(axes, panels, strict=True):
        for method, line in group.groupby("method"):
            line = line.sort_values(x)
            ax.plot(line[x], line["saliency"], "o-", label=method, markersize=4,
                    color=COLOURS.get(method, OTHERS))  # fmt: skip
        ax.set(title=f"{name}, {teacher}", xlabel=label, xscale="log")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("saliency correlation")
    handles = {
        text: line
        for ax in axes
        for line, text in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))


draw("queries", "queries", "questions to the teacher")

# %%
# The same over seconds of training. Processes shared two cores, so seconds compare within a panel
# only.
draw("epochs", "training seconds", "seconds of training")
