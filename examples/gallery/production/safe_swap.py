"""
When may the student answer alone?
==================================

The student agrees with its teacher nearly always, but "nearly" is no promise.
``DeferringClassifier`` lets the student answer where it is sure and asks the teacher about the
rest, so that the two differ on at most a share of all future series that you choose.
"""

# %%
# The teacher is a forest of 100 trees that tells days of the warm half of the year from those of
# the cold half by the demand for electricity. Of the days that neither model has seen, 600 go
# into the promise, and the others stand for the future.

import matplotlib.pyplot as plt
import numpy as np
from sktime.classification.interval_based import TimeSeriesForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import DeferringClassifier, SaliencyDistilledClassifier
from tsdistill.students import Lite

X, y = load_italy_power_demand(split="train", return_type="numpy3D")
X_new, y_new = load_italy_power_demand(split="test", return_type="numpy3D")
X_held, X_future, y_future = X_new[:600], X_new[600:], y_new[600:]

teacher = TimeSeriesForestClassifier(n_estimators=100, random_state=0).fit(X, y)
student = SaliencyDistilledClassifier(
    teacher, student=Lite(n_filters=1), max_epochs=60, random_state=0
).fit(X, y)
print(f"agreement of the student alone: {student.fidelity_score(X_held):.3f}")

# %%
# The promise
# -----------
#
# ``fit`` needs held-out series but no labels. It finds the lowest confidence from which the
# student may answer alone, such that an exact upper bound of the disagreement stays below what is
# promised.

swap = DeferringClassifier(student, max_disagreement=0.01).fit(X_held)
print(f"{100 * swap.deferral_rate_:.1f} % of the series go to the teacher")
print(f"at most {100 * swap.disagreement_bound_:.2f} % of all answers differ from the teacher's")

# %%
# From left to right, the teacher is asked about more series, and fewer answers differ. The swap
# takes the leftmost place at which the bound lies below the promise.

display = swap.plot(ax=plt.figure(figsize=(6.4, 3.8), layout="constrained").subplots())

# %%
# What the swap does with each day
# --------------------------------
#
# Each mark is a day to come. To the right of the threshold the student answers alone; to the left
# the teacher is asked. Days on which the two models would differ are drawn as crosses.

# sphinx_gallery_thumbnail_number = 2
proba = student.predict_proba(X_future)
doubt = 1 - proba.max(axis=1)
differs = student.predict(X_future) != teacher.predict(X_future)
asked = swap.defers(X_future)
limit = 1 - swap.threshold_

rng = np.random.default_rng(0)
height = rng.uniform(-1, 1, size=len(X_future))
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
ax.axvspan(limit, 1, color="#1b4f72", alpha=0.12, linewidth=0)
ax.axvline(limit, color="#1b4f72", linewidth=1.2)
ax.scatter(
    doubt[~differs],
    height[~differs],
    s=14,
    color="#1b4f72",
    alpha=0.5,
    linewidth=0,
    label=f"both would give the same answer ({np.sum(~differs)} days)",
)
ax.scatter(
    doubt[differs],
    height[differs],
    s=60,
    marker="X",
    color="#d95f02",
    linewidth=0,
    label=f"different answers ({np.sum(differs)} days)",
)
ax.set_title(f"teacher is asked: {np.sum(asked)} days", loc="left", fontsize=10)
ax.set_title(f"student answers alone: {np.sum(~asked)} days", loc="right", fontsize=10)
ax.set(xscale="log", xlim=(0.62, 0.8 * doubt.min()), ylim=(-1.2, 1.2), yticks=[])
ax.set_xlabel(
    "unsure  \N{LEFTWARDS ARROW}  student's probability of the other class  "
    "\N{RIGHTWARDS ARROW}  sure"
)
ax.spines[["top", "right", "left"]].set_visible(False)
legend = figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)

# %%
# On days to come
# ---------------
#
# The swap is a classifier like any other.

answers = swap.predict(X_future)
print(f"differs from the teacher on {100 * np.mean(answers != teacher.predict(X_future)):.2f} %")
print(f"asks the teacher about {100 * np.mean(asked):.1f} %")
print(
    f"accuracy of teacher and swap: {teacher.score(X_future, y_future):.3f}, "
    f"{swap.score(X_future, y_future):.3f}"
)

# %%
# Stricter promises
# -----------------
#
# ``promise="answered"`` bounds the disagreement among the series that the student answers alone;
# ``promise="class"`` bounds it for each class. They cost more questions to the teacher.

for promise in ("all", "answered", "class"):
    stricter = DeferringClassifier(student, max_disagreement=0.02, promise=promise).fit(X_held)
    print(f"{promise:9} {100 * stricter.deferral_rate_:5.1f} % go to the teacher")
