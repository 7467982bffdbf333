"""
How a fit grows
===============

Seconds of ``fit`` and of ``explain``, and the memory of ``fit``, over the number of series,
timesteps, channels and classes. A line of slope 1 grows in proportion.
"""

import matplotlib.pyplot as plt
from measured import runs_of

runs = runs_of("growth")
figures = {"fit seconds": "fit (s)", "explain seconds": "explain (s)", "megabytes": "memory (MB)"}
median = runs.groupby(["axis", "size"])[list(figures)].median()
median.round(2)

# %%
axes_of = ["series", "timesteps", "channels", "classes"]
figure, axes = plt.subplots(1, 4, figsize=(10, 3), sharey=True, layout="constrained")
for ax, name in zip(axes, axes_of, strict=True):
    for (column, label), colour in zip(
        figures.items(), ["#b2182b", "#0072b2", "#7f7f7f"], strict=True
    ):
        line = median.loc[name][column]
        ax.plot(line.index, line / line.iloc[0], "o-", color=colour, label=label)
    sizes = line.index / line.index[0]
    ax.plot(line.index, sizes, color="#bbbbbb", linestyle=":", label="in proportion")
    ax.set(xscale="log", yscale="log", xlabel=name)
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("times the smallest")
_ = figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
