"""
Twelve ways to teach one network
================================

Every method that the library has, with the same student, teacher (one Inception network) and
optimiser: eight sets, three seeds. Methods differ in what a step costs, so they were compared
twice, for the same number of epochs and for the same seconds of training.
"""

import matplotlib.pyplot as plt
import pandas as pd
from measured import COLOURS, OTHERS, runs_of

FIGURES = ["accuracy", "agreement", "KL", "saliency"]
runs = runs_of("methods")
order = list(dict.fromkeys(runs["arm"]))
by_set = runs.groupby(["way", "arm", "set"])[FIGURES].mean()
table = by_set.groupby(["way", "arm"]).mean().round(3)
pd.concat({f"same {way}": table.loc[way].loc[order] for way in ("epochs", "seconds")}, axis=1)

# %%
# Agreement and saliency correlation at once: the upper right corner is the teacher.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), sharex=True, sharey=True, layout="constrained")
for ax, way in zip(axes, ("epochs", "seconds"), strict=True):
    for arm in order:
        row = table.loc[(way, arm)]
        ax.plot(row["saliency"], row["agreement"], "o", color=COLOURS.get(arm, OTHERS))
        ax.annotate(
            arm, (row["saliency"], row["agreement"]), (5, 3), textcoords="offset points", fontsize=7
        )
    ax.set(title=f"for the same {way}", xlabel="saliency correlation")
    ax.spines[["top", "right"]].set_visible(False)
_ = axes[0].set_ylabel("agreement with the teacher")
