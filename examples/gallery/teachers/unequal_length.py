"""
My series differ in length
==========================

Words take as long as they take, trips end when they end, sensors fail now and then. A student
takes series of unequal length as they are, without padding, and with ``missing="mask"`` series
with gaps. What do its answers and its maps look like then?
"""

# %%
# Series of unequal length
# ------------------------
#
# Nine speakers say two Japanese vowels. A series has twelve channels, and as many timesteps as the
# speaker took.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sktime.datasets import load_italy_power_demand, load_japanese_vowels

from tsdistill import SaliencyDistilledClassifier
from tsdistill.students import Lite


def load(split):
    """Arrays of shape (n_channels, n_timepoints), one for each utterance."""
    frames, speakers = load_japanese_vowels(split=split, return_type="df-list")
    return [frame.to_numpy().T for frame in frames], speakers


X, y = load("train")
X_new, y_new = load("test")
print(f"{len(X)} series of {min(x.shape[1] for x in X)} to {max(x.shape[1] for x in X)} timesteps")

# %%
# The teacher is a pipeline whose first step brings every series to 20 timesteps. The student needs
# no such step.


def stretched(series, n_timepoints=20):
    """Bring series to one length by interpolation; one row for each."""
    grid = np.linspace(0, 1, n_timepoints)
    return np.stack(
        [
            np.concatenate([np.interp(grid, np.linspace(0, 1, len(c)), c) for c in one])
            for one in series
        ]
    )


teacher = make_pipeline(
    FunctionTransformer(stretched), StandardScaler(), LogisticRegression(max_iter=300)
).fit(X, y)
student = SaliencyDistilledClassifier(teacher, n_queries=2000, max_epochs=40, random_state=0).fit(
    X, y
)
print(
    f"accuracy of teacher and student: {teacher.score(X_new, y_new):.3f}, "
    f"{student.score(X_new, y_new):.3f}"
)
print(f"agreement: {student.fidelity_score(X_new):.3f}")

# %%
# The maps come in one array, NaN beyond the end of each series.

maps = student.explain(X_new)
print(maps.shape, "of which NaN:", f"{np.isnan(maps).mean():.2f}")

# %%
# Each bar below is one utterance, as long as it took. Red timesteps speak for the speaker that the
# student names, blue ones against.

rows = np.concatenate([np.flatnonzero(student.predict(X_new) == k)[:4] for k in student.classes_])
shown = maps[rows] / np.nanmax(np.abs(maps[rows]), axis=1, keepdims=True)
figure, ax = plt.subplots(figsize=(6.4, 5.0), layout="constrained")
ax.set_facecolor("0.93")
image = ax.imshow(shown, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
for at in range(len(rows)):
    ax.axhline(at + 0.5, color="white", linewidth=1.5 if (at + 1) % 4 else 6)
    end = X_new[rows[at]].shape[1] - 0.5
    ax.plot([end, end], [at - 0.45, at + 0.45], color="black", linewidth=1.5)
ax.set_yticks(np.arange(1.5, len(rows), 4), student.classes_)
ax.tick_params(axis="y", length=0)
ax.spines[:].set_visible(False)
ax.set(xlabel="timestep", ylabel="speaker that the student names")
ax.set_title("What speaks for the speaker, until each series ends", fontsize=11)
bar = figure.colorbar(image, ax=ax, shrink=0.6, aspect=20)
bar.set_ticks([-1, 0, 1], labels=["against", "0", "for"])

# %%
# Series with gaps
# ----------------
#
# A fifth of the hours of each day is struck out. The teacher, gradient boosting, takes NaN. With
# ``missing="mask"`` the student takes NaN too, and is told where the gaps are.

days, halves = load_italy_power_demand(split="train", return_type="numpyflat")
days_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
rng = np.random.default_rng(0)
for panel in (days, days_new):
    panel[:, 1:-1][rng.random(panel[:, 1:-1].shape) < 0.2] = np.nan

teacher = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(days, halves)
student = SaliencyDistilledClassifier(
    teacher, student=Lite(n_filters=4), missing="mask", max_epochs=40, random_state=0
).fit(days, halves)
print(f"agreement: {student.fidelity_score(days_new):.3f}")

# %%
# A gap gets a value in the map as well: it is what the surroundings that fill it do for the answer.

day = days_new[5]
saliency = student.explain(day[np.newaxis])[0]
hours, there = np.arange(len(day)), ~np.isnan(day)
filled = np.interp(hours, hours[there], day[there])
points = np.column_stack([hours, filled])
figure, ax = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
ax.plot(hours, filled, ":", color="0.4", linewidth=1, label="filled by a straight line")
for start in np.flatnonzero(there[:-1] & there[1:]):
    ax.plot(hours[start : start + 2], filled[start : start + 2], color="0.25", linewidth=4)
line = LineCollection(
    np.stack([points[:-1], points[1:]], axis=1)[there[:-1] & there[1:]],
    cmap="RdBu_r",
    linewidth=3,
    zorder=2.5,
    array=((saliency[:-1] + saliency[1:]) / 2)[there[:-1] & there[1:]],
)
largest = np.abs(saliency).max()
line.set_clim(-largest, largest)
ax.add_collection(line)
dots = ax.scatter(
    hours,
    filled,
    c=saliency,
    cmap="RdBu_r",
    vmin=-largest,
    vmax=largest,
    s=45,
    zorder=3,
    edgecolor=np.where(there, "0.2", "none"),
)
ax.scatter(
    hours[~there],
    filled[~there],
    s=110,
    facecolor="none",
    edgecolor="0.2",
    linewidth=1.2,
    linestyle=":",
    zorder=3,
    label="missing",
)
ax.set(xlabel="hour", ylabel="demand, standardised")
label = student.predict(day[np.newaxis])[0]
ax.set_title(f"A day with gaps: what speaks for class {label}", fontsize=11)
ax.legend(frameon=False, loc="lower right")
ax.spines[["top", "right"]].set_visible(False)
bar = figure.colorbar(dots, ax=ax, label="against     for", ticks=[0], shrink=0.8)
