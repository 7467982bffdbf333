"""
I have many series and few labels
=================================

There is a teacher, but few series have labels. Do the others help the student? They do: the
teacher answers for them. ``fit(X, y, X_unlabelled=U)`` learns from both kinds of series, and
``fit(U)`` needs no labels at all.
"""

# %%
# The teacher is a support vector machine that was fitted on 67 days, a day being 24 values of the
# demand for electricity. The student is given ten of these with labels, and more and more days
# without. It is compared with the teacher on days that neither has seen.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.svm import SVC
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier

X, y = load_italy_power_demand(split="train", return_type="numpyflat")
X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
U, X_held = X_new[:200], X_new[200:]

teacher = SVC(C=10).fit(X, y)
few = np.r_[np.flatnonzero(y == "1")[:5], np.flatnonzero(y == "2")[:5]]


def fidelity(student):
    """How closely a student follows the teacher on days that neither has seen."""
    return {
        "agreement": student.fidelity_score(X_held),
        "saliency": student.fidelity_score(X_held[:200], metric="saliency"),
    }


# %%
# More series without labels
# --------------------------
#
# Where series are few, the library asks the teacher about mixtures of them as well. To see what
# the series do on their own, the first students do without mixtures.

settings = {"no mixtures": 0, "with mixtures, the default": None}
numbers = (0, 20, 60, 200)
rows = {}
for name, n_mixtures in settings.items():
    for n in numbers:
        student = SaliencyDistilledClassifier(
            teacher, n_mixtures=n_mixtures, max_epochs=40, random_state=0
        )
        student.fit(X[few], y[few], X_unlabelled=U[:n] if n else None)
        rows[name, n] = fidelity(student)
table = pd.DataFrame.from_dict(rows, orient="index")
table.index.names = ["settings", "series without labels"]
table.round(3)

# %%
# Without any label
# -----------------
#
# ``fit(U)`` takes the predictions of the teacher for labels.

student = SaliencyDistilledClassifier(teacher, max_epochs=40, random_state=0).fit(U)
unlabelled = fidelity(student)
print({name: round(value, 3) for name, value in unlabelled.items()})

# %%
# The star is the student that was given no label.

figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.6), layout="constrained")
titles = {"agreement": "same answer as the teacher, %", "saliency": "correlation of the maps"}
at = np.arange(len(numbers))
for ax, (measure, title) in zip(axes, titles.items(), strict=True):
    scale = 100 if measure == "agreement" else 1
    for name, colour, look in zip(settings, ("#1b4f72", "#d95f02"), ("o-", "s--"), strict=True):
        ax.plot(at, scale * table.loc[name, measure], look, color=colour, linewidth=2, label=name)
    ax.plot(
        at[-1],
        scale * unlabelled[measure],
        "*",
        color="black",
        markersize=13,
        label="no labels at all",
    )
    ax.set_xticks(at, numbers)
    ax.set_xlabel("series without labels")
    ax.set_title(title, fontsize=11)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
figure.suptitle(f"A student with {len(few)} labels", fontsize=12)
handles = axes[0].get_legend_handles_labels()
legend = figure.legend(*handles, loc="outside lower center", ncols=3, frameon=False)
