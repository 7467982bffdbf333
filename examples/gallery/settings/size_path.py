"""
How small can it be?
====================

A student of 9,000 weights follows its teacher closely, but the device has little memory.
``size_path`` distils the teacher into students of several sizes, asks it only once for all of
them, and finds the smallest student that still does what is demanded.
"""

# %%
# The teacher is a forest of 100 trees. The students are compared on 500 series that neither the
# teacher nor any student has seen.

import matplotlib.pyplot as plt
from sktime.classification.interval_based import TimeSeriesForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier, size_path
from tsdistill.exceptions import OutOfReachError
from tsdistill.students import FCN, Lite

X, y = load_italy_power_demand(split="train", return_type="numpy3D")
X_new, _ = load_italy_power_demand(split="test", return_type="numpy3D")
X_choice = X_new[:500]

teacher = TimeSeriesForestClassifier(n_estimators=100, random_state=0).fit(X, y)
settings = SaliencyDistilledClassifier(teacher, max_epochs=60, random_state=0)

students = {
    "lite, 1": Lite(n_filters=1),
    "fcn, 8": FCN(n_filters=8),
    "lite, 4": Lite(n_filters=4),
    "lite, 8": Lite(n_filters=8),
}
path = size_path(settings, X, y, X_choice, students=students, n_explained=100)
path.to_frame()[["weights", "bytes", "agreement", "agreement_bound", "saliency", "saliency_bound"]]

# %%
# The smallest that will do
# -------------------------
#
# ``smallest`` takes demands on fidelity and limits on size, and returns a fitted student. The bound
# has to clear a demand, not the measured value.

demands = {"agreement": 0.96, "saliency": 0.6}
student = path.smallest(**demands)
print(student.student)
print(student.student_costs())

# %%
# What more weights buy
# ---------------------
#
# Each point is a student; the number in its name counts filters. The line below a point ends at
# its bound. All bounds hold at once, with a confidence of 95 %, so choosing a student by its bound
# does not spoil the bound. The student that was chosen is shaded.

display = path.plot(figure=plt.figure(figsize=(7.4, 3.8), layout="constrained"))
chosen = student.student_costs()["weights"]
for ax, demand in zip(display.axes_, demands.values(), strict=True):
    ax.axhline(demand, color="0.3", linewidth=1, linestyle=":")
    ax.annotate(
        "demanded",
        (0.99, demand),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=9,
        ha="right",
        color="0.3",
    )
    ax.axvspan(chosen / 1.35, chosen * 1.35, color="#d95f02", alpha=0.12, linewidth=0)
    ax.annotate(
        "chosen",
        (chosen, 0.98),
        xycoords=("data", "axes fraction"),
        fontsize=9,
        ha="center",
        va="top",
        color="#a04000",
    )

# %%
# If no student clears the demands, the error says by how much each misses them.

try:
    path.smallest(agreement=0.99, max_weights=500)
except OutOfReachError as error:
    print(error)
