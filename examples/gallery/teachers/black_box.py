"""
My teacher is a function that answers slowly
============================================

A model behind an interface, or a simulation, can only be asked, and every answer takes time.
``n_queries`` bounds the number of questions, and ``memory`` keeps the answers, so that no question
is asked twice. How many questions are enough?
"""

# %%
# A teacher can be any function from series to probabilities. Behind this one stands a forest that
# tells days of the warm half of the year from days of the cold half by the demand for electricity.
# The forest is quick, so that this page is, too. The function counts its questions, which is what a
# slow teacher would cost.

import tempfile

import matplotlib.pyplot as plt
from sklearn.ensemble import RandomForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier

X, y = load_italy_power_demand(split="train", return_type="numpyflat")
X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
forest = RandomForestClassifier(50, min_samples_leaf=3, random_state=0).fit(X, y)
asked = []


def black_box(X):
    """Probabilities of the two classes, a row for each series."""
    asked.append(len(X))
    return forest.predict_proba(X)


# %%
# What a budget buys
# ------------------
#
# With a budget, ``fit`` asks about every training series and spends the rest on mixtures of two
# series and on copies in which a window is replaced. Plain knowledge distillation
# (``saliency_weight=0``) asks about the training series alone, and is drawn as the first point. A
# folder serves as ``memory`` for all students, so the held-out series by which they are compared
# are asked about once.

folder = tempfile.TemporaryDirectory()
common = {"memory": folder.name, "max_epochs": 100, "random_state": 0}
students = {"KD": SaliencyDistilledClassifier(black_box, saliency_weight=0, **common)}
for budget in (250, 500, 1000, 2000, 4000):
    students[budget] = SaliencyDistilledClassifier(black_box, n_queries=budget, **common)

rows = []
for student in students.values():
    student.fit(X, y)
    agreement = student.fidelity_score(X_new)
    saliency = student.fidelity_score(X_new[:200], metric="saliency")
    rows.append((student.n_queries_, agreement, saliency))
    print(f"{rows[-1][0]:5} questions: agreement {agreement:.3f}, saliency {saliency:.2f}")

# %%
# The upper axis translates the questions into the time of a fit, for a teacher that takes a
# quarter of a second for a series.

questions, agreement, saliency = zip(*rows, strict=True)
figure, ax = plt.subplots(figsize=(7.0, 3.9), layout="constrained")
for values, name, colour, marker in (
    (agreement, "agreement", "#1b4f72", "o"),
    (saliency, "saliency correlation", "#d95f02", "s"),
):
    ax.plot(questions[1:], values[1:], color=colour, marker=marker, linewidth=2)
    ax.plot(questions[:2], values[:2], color=colour, linewidth=1.2, linestyle=":")
    ax.plot(questions[0], values[0], color=colour, marker=marker, markerfacecolor="white")
    ax.annotate(name, (questions[-1], values[-1]), (10, 0), textcoords="offset points",
                color=colour, fontsize=10, va="center", annotation_clip=False)  # fmt: skip
ax.annotate("plain KD", (questions[0], saliency[0]), (9, 0), textcoords="offset points",
            va="center", fontsize=9, color="0.3")  # fmt: skip
ax.set(xscale="log", xlabel="questions to the teacher in one fit", ylabel="fidelity to the teacher")
ax.set_xticks(questions, [f"{n:,}" for n in questions])
ax.xaxis.set_minor_locator(plt.NullLocator())
ax.set_ylim(min(saliency) - 0.1, 1.01)
ax.grid(axis="y", alpha=0.25)
ax.spines[["top", "right"]].set_visible(False)
minutes = ax.secondary_xaxis("top")
minutes.set_xticks(questions, [f"{n / 4 / 60:.2g}" for n in questions])
minutes.xaxis.set_minor_locator(plt.NullLocator())
minutes.set_xlabel("minutes, at 0.25 s a question", fontsize=9)
minutes.spines["top"].set_visible(False)

# %%
# Nothing is asked twice
# ----------------------
#
# The last student is now fitted and scored again, with another weight of the saliency. The answers
# are known, so ``fit`` asks only a few probes, by which the teacher is recognised.

before = sum(asked)
again = students[4000].set_params(saliency_weight=1.5).fit(X, y)
again.fidelity_score(X_new[:200], metric="saliency")
print(f"questions for all students: {before:,}")
print(f"questions for one more:     {sum(asked) - before:,}")
folder.cleanup()
