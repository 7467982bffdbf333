"""
How far does the student follow its teacher?
============================================

A forest has been distilled into a small network. Before the network takes its place, somebody
asks: are its answers the same, are its reasons the same, and where are they not?
``fidelity_report`` puts the answers on one page, with intervals.
"""

# %%
# The teacher is a forest of 100 trees that tells the demand for electricity on a day of the warm
# half of the year from one of the cold half. Teacher and student learn from 67 days; the report
# takes 500 days that neither has seen.

import matplotlib.pyplot as plt
import numpy as np
from sktime.classification.interval_based import TimeSeriesForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier
from tsdistill.display import SaliencyDisplay

X, y = load_italy_power_demand(split="train", return_type="numpy3D")
X_new, y_new = load_italy_power_demand(split="test", return_type="numpy3D")
X_held, y_held = X_new[:500], y_new[:500]

teacher = TimeSeriesForestClassifier(n_estimators=100, random_state=0).fit(X, y)
student = SaliencyDistilledClassifier(teacher, max_epochs=60, random_state=0).fit(X, y)

# %%
# The report in a notebook
# ------------------------
#
# In a notebook, the report is shown as below. ``report.to_html("report.html")`` writes a page of
# its own, with curves and maps as well.

report = student.fidelity_report(X_held, y_held, n_explained=60)
report

# %%
# The measures in one picture
# ---------------------------
#
# ``to_frame()`` gives the same numbers to draw or to file. All measures below lie between 0 and 1
# and are better if higher. For those of the maps, the report compares a random map as well: it
# shows what a map would reach that says nothing.

frame = report.to_frame()
rows = {
    "agreement": "same answer as the teacher",
    "saliency": "correlation of the\nsaliency maps",
    "top_overlap": "overlap of the maps'\ntop tenths",
    "accuracy": "accuracy of the student",
    "teacher_accuracy": "accuracy of the teacher",
}
shown = frame.loc[list(rows)]
position = np.arange(len(rows))[::-1]

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
ax.hlines(position, shown["low"], shown["high"], color="#1b4f72", linewidth=7, alpha=0.35)
ax.plot(shown["value"], position, "o", color="#1b4f72", markersize=7, label="measured")
ax.plot([], [], color="#1b4f72", linewidth=7, alpha=0.35, label="95 % interval")
ax.plot(
    shown["random_map"],
    position,
    "|",
    color="#d95f02",
    markersize=16,
    markeredgewidth=2.5,
    label="a random map",
)
for at, value in zip(position, shown["value"], strict=True):
    ax.annotate(f"{value:.3f}", (value, at), (0, 9), textcoords="offset points", ha="center")
ax.set_yticks(position, rows.values())
ax.set(xlim=(-0.1, 1.08), ylim=(-0.5, len(rows) - 0.4))
ax.spines[["top", "right", "left"]].set_visible(False)
ax.tick_params(axis="y", length=0)
ax.grid(axis="x", alpha=0.25)
title = f"Student and teacher on {report.n_instances} days that neither has seen"
figure.suptitle(title, fontsize=12)
legend = figure.legend(loc="outside lower center", ncols=3, frameon=False)

# %%
# Where do they differ?
# ---------------------
#
# ``worst`` lists the days on which the two differ most: first those with different answers, then
# by KL. A person who knows the process should look at these.

report.worst.round(3)

# %%
# The maps of the first three show whether the two saw different things, or saw the same and
# weighed it differently. Red timesteps speak for the class that the teacher names, blue ones
# against it.

# sphinx_gallery_thumbnail_number = 2
worst = report.worst.index[:3]
display = SaliencyDisplay.from_estimator(
    student,
    X_held[worst],
    titles=[
        f"day {i}: class {row.teacher}\n(student: {row.student})"
        for i, row in report.worst.loc[worst].iterrows()
    ],
    figure=plt.figure(figsize=(7.6, 4), layout="constrained"),
)

# %%
# Can the student's confidence be trusted, and its maps?
# ------------------------------------------------------
#
# On the left, the days are sorted by the student's confidence: where it is sure, does it agree?
# In the middle and on the right, timesteps are replaced, or put in, in the order of each model's
# own map, and in random order (grey). The earlier the probability moves, the more the map knows.

display = report.plot(figure=plt.figure(figsize=(8.6, 4.2), layout="constrained"))
for ax in display.axes_:
    ax.set_title(ax.get_title().split(": ")[0], fontsize=11)
    ax.set_xlabel(ax.get_xlabel().replace(", ", ",\n"))
display.figure_.legends[0].remove()
legend = display.figure_.legend(
    *display.axes_[1].get_legend_handles_labels(), loc="outside lower right", ncols=3, frameon=False
)
