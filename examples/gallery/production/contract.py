"""
What do we demand before the swap?
==================================

A team agrees on what a student has to keep before it may replace the teacher, and writes it down
as a ``SwapContract``. Checked on held-out series, each demand is kept, broken or undecided; what
counts is not the measured value but the bound that the series show.
"""

# %%
# The teacher is a forest, the student a small network. Neither has seen the 500 days on which the
# contract is checked.

import matplotlib.pyplot as plt
import numpy as np
from sktime.classification.interval_based import TimeSeriesForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier, SwapContract
from tsdistill.students import Lite

X, y = load_italy_power_demand(split="train", return_type="numpy3D")
X_new, y_new = load_italy_power_demand(split="test", return_type="numpy3D")
X_held, y_held = X_new[:500], y_new[:500]

teacher = TimeSeriesForestClassifier(n_estimators=100, random_state=0).fit(X, y)
student = SaliencyDistilledClassifier(
    teacher, student=Lite(n_filters=4), max_epochs=60, random_state=0
).fit(X, y)

# %%
# The contract
# ------------
#
# It is a text that can be kept under version control, and checked in CI by
# ``python -m tsdistill check``.

contract = SwapContract.from_toml("""
confidence = 0.95
[demands]
agreement = 0.96
class_agreement = 0.98
net_accuracy = -0.03
saliency = 0.6
negative_flips = 0.02
weights = 3000
""")
result = contract.check(student, X_held, y_held, n_explained=100)
print(result.verdict)

# %%
# Each line has a code that stays the same in every version. An undecided line says about how many
# series would settle it.

for line in result.lines:
    print(line)

# %%
# Measured, shown, demanded
# -------------------------
#
# The mark is what was measured, and the bar reaches from there to the bound. A demand is kept if
# the bar stays out of the grey, broken if all of it lies there, and otherwise undecided.

lines = [line for line in result.lines if line.measured is not None and line.bound is not None]
colours = {"kept": "#1b4f72", "undecided": "#8c6d00", "broken": "#b2182b"}
marks = {"kept": "o", "undecided": "D", "broken": "X"}
words = {">=": "at least", "<=": "at most"}
figure, axes = plt.subplots(
    len(lines), 1, figsize=(6.4, 0.9 * len(lines) + 0.3), layout="constrained"
)
for ax, line in zip(axes, lines, strict=True):
    numbers = np.array([line.measured, line.bound, line.demand], dtype=float)
    spread = np.ptp(numbers) or 0.2 * line.demand
    low, high = numbers.min() - 0.35 * spread, numbers.max() + 0.35 * spread
    away = low if line.relation == ">=" else high
    ax.axvspan(line.demand, away, color="0.9", linewidth=0)
    ax.axvline(line.demand, color="0.3", linewidth=1.2)
    colour = colours[line.status]
    ax.plot(
        [line.measured, line.bound],
        [0, 0],
        color=colour,
        linewidth=6,
        alpha=0.45,
        solid_capstyle="butt",
    )
    ax.plot(line.measured, 0, marks[line.status], color=colour, markersize=9)
    ax.set(xlim=(low, high), ylim=(-1, 1), yticks=[])
    ax.set_title(line.name.replace("_", " "), loc="left", fontsize=10)
    ax.set_title(
        f"{line.status}: {words[line.relation]} {line.demand:,} demanded",
        loc="right",
        fontsize=10,
        color=colour,
    )
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.locator_params(axis="x", nbins=6)
