"""
Do the maps find the truth?
===========================

On real series, nobody knows what a classifier looks at. On the sets of ``tsdistill.datasets`` it
is known which timesteps show the class. Here the teacher uses only some of them. Do its students
give the same answers for that reason, or for another?
"""

# %%
# In this set, a series is noise of 50 channels and 50 timesteps, and timesteps 10 to 39 are
# shifted up or down: that is the class. Any of these timesteps would do to tell it. The teacher
# reads eight of them, 12 to 19, and nothing else.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tsdistill import SaliencyDistilledClassifier
from tsdistill.datasets import make_middle_box
from tsdistill.fidelity import auprc

X, y, _ = make_middle_box(200, height=0.3, random_state=0)
X_new, y_new, mask = make_middle_box(300, height=0.3, random_state=1)
read = slice(12, 20)


def what_is_read(panel):
    """Mean of each channel over the timesteps that the teacher reads."""
    return panel[:, :, read].mean(axis=2)


teacher = make_pipeline(FunctionTransformer(what_is_read), LogisticRegression(C=0.001)).fit(X, y)

# %%
# Two students of one teacher
# ---------------------------
#
# Both are the same network. Plain knowledge distillation (KD) copies the answers of the teacher;
# the other student learns its saliency, too.

students = {
    "KD": SaliencyDistilledClassifier(
        teacher, saliency_weight=0, max_epochs=40, random_state=0
    ).fit(X, y),
    "saliency-distilled": SaliencyDistilledClassifier(
        teacher, n_queries=3000, max_epochs=40, random_state=0
    ).fit(X, y),
}
for name, student in students.items():
    print(f"{name}: agreement with the teacher {student.fidelity_score(X_new):.3f}")

# %%
# Their maps
# ----------
#
# The answers are the same; are the reasons? Maps are by occlusion with the mean, on which no
# student was trained, for the class that the teacher predicts. The average precision says how well
# they find the timesteps that the teacher reads: 1 if these are the highest of every map.

X_shown = X_new[:100]
target = teacher.predict(X_shown)
distilled = students["saliency-distilled"]
maps = {"teacher": distilled.explain(X_shown, target=target, of="teacher", fill="mean")}
for name, student in students.items():
    maps[name] = student.explain(X_shown, target=target, fill="mean")

truth = np.zeros((len(X_shown), 50), dtype=bool)
truth[:, read] = True
precision = {name: auprc(found, truth) for name, found in maps.items()}
precision["random map"] = auprc(np.random.default_rng(0).standard_normal(truth.shape), truth)
pd.Series(precision, name="average precision").round(3)

# %%
# One row of each picture is the map of one series; the curve above is their mean.

figure = plt.figure(figsize=(7.2, 4.6), layout="constrained")
axes = figure.subplots(2, 3, sharex=True, sharey="row", height_ratios=[1, 1.6])
shows = np.flatnonzero(mask.any(axis=(0, 1)))
for (name, found), (above, below) in zip(maps.items(), axes.T, strict=True):
    scaled = found / np.abs(found).max(axis=1, keepdims=True)
    for start, stop, colour, label in (
        (shows[0], shows[-1] + 1, "0.9", "timesteps that show the class"),
        (read.start, read.stop, "#fdc68a", "timesteps that the teacher reads"),
    ):
        above.axvspan(start - 0.5, stop - 0.5, color=colour, linewidth=0, label=label)
    above.plot(scaled.mean(axis=0), color="#1b4f72", linewidth=2)
    above.set_title(f"{name}\naverage precision {precision[name]:.2f}", fontsize=10)
    above.spines[["top", "right"]].set_visible(False)
    image = below.imshow(scaled, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
    below.set_xlabel("timestep")
axes[0, 0].set_ylabel("mean map")
axes[1, 0].set(ylabel="series", yticks=[])
bar = figure.colorbar(image, ax=axes[1], aspect=15)
bar.set_ticks([-1, 0, 1], labels=["against", "0", "for"])
handles = axes[0, 0].get_legend_handles_labels()
legend = figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False)
