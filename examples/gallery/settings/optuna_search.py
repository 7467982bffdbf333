"""
How do I tune with Optuna?
==========================

A student should be faithful and small, and the two pull in opposite directions. Optuna searches
for both at once and returns the students of which none is better in one respect without being
worse in the other. ``memory`` keeps the teacher's answers for all trials.
"""

# %%
# Optuna is no dependency of tsdistill: ``pip install optuna``.
#
# The teacher is a support vector machine, whose decision values serve as logits. Its scale is set
# such that the labels of the training series are most likely.

import tempfile

import matplotlib.pyplot as plt
import numpy as np
import optuna
from sklearn.svm import SVC
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.students import Lite

optuna.logging.set_verbosity(optuna.logging.WARNING)

X, y = load_italy_power_demand(split="train", return_type="numpyflat")
X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
X_val, X_test = X_new[:300], X_new[300:600]

machine = SVC(C=10.0, gamma=0.05).fit(X, y)
asked = []


class Counted:
    """The machine, which counts the questions that it is asked."""

    classes_ = machine.classes_

    def decision_function(self, X):
        asked.append(len(X))
        return machine.decision_function(X)


teacher = Teacher(Counted(), scale="calibrated")

# %%
# The study
# ---------
#
# A trial chooses the network and the weight of the saliency, fits a student on the training
# series, and returns its agreement with the teacher on held-out series and the number of its
# weights. Windows are drawn from ``random_state``, so all trials ask the same questions, and
# ``memory`` answers those of all but the first. The rest are probes, by which the teacher is
# recognised.


def weights_of(student):
    """Number of weights of a fitted student."""
    return sum(weights.numel() for weights in student.student_.module_.parameters())


def objective(trial):
    """Fit a student; return what is to be maximised and what is to be minimised."""
    longest = trial.suggest_categorical("longest_filter", [5, 9, 15])
    student = SaliencyDistilledClassifier(
        teacher,
        student=Lite(
            n_filters=trial.suggest_int("n_filters", 2, 8),
            kernel_sizes=(longest, 5, 3)[: trial.suggest_int("n_lengths", 2, 3)],
        ),
        saliency_weight=trial.suggest_float("saliency_weight", 0.5, 20.0, log=True),
        max_epochs=30,
        memory=folder.name,
        random_state=0,
    ).fit(X, y)
    trial.set_user_attr("saliency", student.fidelity_score(X_val[:100], metric="saliency"))
    return student.fidelity_score(X_val), weights_of(student)


folder = tempfile.TemporaryDirectory()
study = optuna.create_study(
    directions=["maximize", "minimize"], sampler=optuna.samplers.TPESampler(seed=0)
)
study.enqueue_trial({"n_filters": 8, "n_lengths": 3, "longest_filter": 15, "saliency_weight": 5.0})
study.optimize(objective, n_trials=1)
after_one = sum(asked)
study.optimize(objective, n_trials=17)
print(f"questions in the first trial: {after_one:,}")
print(f"in each of the others:        {(sum(asked) - after_one) / 17:.0f}")

# %%
# The front
# ---------
#
# Each point is a trial. Those on the line are not beaten: every other student has either more
# weights or less agreement. The colour is a third measure, which the study did not optimise.

agreement, weights = np.array([trial.values for trial in study.trials]).T
saliency = np.array([trial.user_attrs["saliency"] for trial in study.trials])
best = sorted(study.best_trials, key=lambda trial: trial.values[1])
front_agreement, front_weights = np.array([trial.values for trial in best]).T

figure, ax = plt.subplots(figsize=(7.2, 4.2), layout="constrained")
ax.step(np.append(front_weights, weights.max() * 1.1), np.append(front_agreement,
        front_agreement[-1]), where="post", color="0.35", linewidth=1.5, zorder=1)  # fmt: skip
points = ax.scatter(weights, agreement, c=saliency, cmap="viridis", s=55, edgecolor="white",
                    linewidth=0.8, zorder=2)  # fmt: skip
ax.scatter(front_weights, front_agreement, s=130, facecolor="none", edgecolor="0.1",
           linewidth=1.6, zorder=3, label="not beaten")  # fmt: skip
ax.set(xscale="log", xlabel="weights of the student (fewer is better)")
ax.set_ylabel("agreement with the teacher (more is better)")
ax.grid(alpha=0.25)
ax.spines[["top", "right"]].set_visible(False)
ax.legend(loc="lower right", fontsize=9, frameon=False)
bar = figure.colorbar(points, ax=ax, aspect=28, pad=0.02)
bar.set_label("saliency correlation", fontsize=9)
bar.outline.set_visible(False)

# %%
# One of the front
# ----------------
#
# The choice is yours: here the smallest student whose agreement comes within one percentage point
# of the best. It is fitted again for longer, with answers that are known, and measured on series
# that played no part in the search. (The best of many trials looks better on the series by which
# it was chosen than it is.)

chosen = next(trial for trial in best if trial.values[0] >= agreement.max() - 0.01)
student = SaliencyDistilledClassifier(
    teacher,
    student=Lite(
        n_filters=chosen.params["n_filters"],
        kernel_sizes=(chosen.params["longest_filter"], 5, 3)[: chosen.params["n_lengths"]],
    ),
    saliency_weight=chosen.params["saliency_weight"],
    max_epochs=100,
    memory=folder.name,
    random_state=0,
).fit(X, y)
print(f"weights              {weights_of(student):,}")
print(f"agreement            {student.fidelity_score(X_test):.3f}")
print(f"saliency correlation {student.fidelity_score(X_test, metric='saliency'):.2f}")
folder.cleanup()
