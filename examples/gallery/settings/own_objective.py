"""
Can I add a term to the loss?
=============================

A student that is surer than its teacher hides the cases that a person should look at. An objective
of your own, ten lines long, penalises just that, and is added to the loss that the student is
trained with.
"""

# %%
# An objective returns one loss for each series. ``answers`` holds the logits of student and
# teacher for a batch. Here the loss is the squared excess of the student's largest probability
# over the teacher's, on the scale of logits, where the difference between 99 % and 99.9 % counts
# as much as that between 50 % and 90 %.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier
from tsdistill.objectives import Objective


class NoSurerThanTheTeacher(Objective):
    """Square of what the student's confidence exceeds the teacher's by, in log-odds."""

    name = "no_surer"  # the key of its value in history_

    def losses(self, answers, sample_weight):
        excess = log_odds(answers.student) - log_odds(answers.teacher)
        return excess.clamp(min=0).square()


def log_odds(logits):
    """Log-odds of the predicted class."""
    log_proba = logits.log_softmax(dim=1).amax(dim=1)
    return log_proba - (-log_proba.expm1()).clamp(min=1e-6).log()


# %%
# The teacher is a forest. Two students are trained that differ in nothing but the new term.

X, y = load_italy_power_demand(split="train", return_type="numpyflat")
X_new, y_new = load_italy_power_demand(split="test", return_type="numpyflat")
teacher = RandomForestClassifier(200, min_samples_leaf=3, random_state=0).fit(X, y)

students = {
    "without the term": SaliencyDistilledClassifier(teacher, max_epochs=100, random_state=0),
    "with the term": SaliencyDistilledClassifier(
        teacher, auxiliary=NoSurerThanTheTeacher(weight=10.0), max_epochs=100, random_state=0
    ),
}
confidence = {"teacher": teacher.predict_proba(X_new).max(axis=1)}
for name, student in students.items():
    student.fit(X, y)
    confidence[name] = student.predict_proba(X_new).max(axis=1)
    surer = np.mean(confidence[name] > confidence["teacher"])
    print(f"{name:17} surer than the teacher on {100 * surer:4.1f} % of the series, "
          f"agreement {student.fidelity_score(X_new):.3f}")  # fmt: skip

# %%
# What the term does
# ------------------
#
# Each point is a series of the test split. Above the diagonal, the student is surer than its
# teacher. The term moves points to below the diagonal; the agreement of both students is printed
# above.

figure, axes = plt.subplots(1, 2, figsize=(7.2, 4.0), sharex=True, sharey=True,
                            layout="constrained")  # fmt: skip
axes[0].set_ylabel("confidence of the student")
for ax, name in zip(axes, students, strict=True):
    excess = confidence[name] > confidence["teacher"]
    for chosen, colour in ((~excess, "#1b4f72"), (excess, "#d95f02")):
        ax.scatter(confidence["teacher"][chosen], confidence[name][chosen], s=11, color=colour,
                   alpha=0.5, linewidth=0)  # fmt: skip
    ax.plot([0.5, 1], [0.5, 1], color="0.2", linewidth=1)
    ax.text(0.52, 0.965, f"surer than the teacher: {100 * excess.mean():.0f} %", fontsize=9.5,
            color="#a04000")  # fmt: skip
    ax.set_title(name, fontsize=10.5)
    ax.set(aspect="equal", xlim=(0.49, 1.01), ylim=(0.49, 1.01))
    ax.set_xlabel("confidence of the teacher")
    ax.spines[["top", "right"]].set_visible(False)

# %%
# Its value in training
# ---------------------
#
# The value of each term, before its weight, is kept for every epoch in ``history_``, that of an
# objective under its name. Objectives are scikit-learn estimators, so their weight can be searched
# as ``auxiliary__weight``.

for name, value in students["with the term"].history_[-1].items():
    if name not in ("epoch", "dur"):
        print(f"{name:24}{value:.4f}")
