"""
My teacher is an ensemble of networks
=====================================

InceptionTime averages five networks that differ in their random start. A list of fitted networks
is a teacher, too: its members' probabilities are averaged. Does one small network say what all of
them say together?
"""

# %%
# The members are Inception networks of the published width, half as deep and with shorter filters,
# since the series have only 24 timesteps: days of power demand, of the warm or the cold half of the
# year. They are trained with skorch, which takes class indices, so ``Teacher`` names the classes.

import matplotlib.pyplot as plt
import numpy as np
import torch
from skorch import NeuralNetClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.students import Inception

X, y = load_italy_power_demand(split="train", return_type="numpy3D")
X_new, y_new = load_italy_power_demand(split="test", return_type="numpy3D")
classes, class_index = np.unique(y, return_inverse=True)


def inception(seed):
    """An Inception network, trained from its own random start."""
    torch.manual_seed(seed)
    network = Inception(n_filters=32, kernel_sizes=(11, 7, 3)).build(1, 24, 2)
    return NeuralNetClassifier(
        network, criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, lr=0.001,
        batch_size=16, max_epochs=20, iterator_train__shuffle=True, train_split=None, verbose=0,
    ).fit(X.astype(np.float32), class_index)  # fmt: skip


members = [inception(seed) for seed in range(5)]
teacher = Teacher(members, classes=classes)
student = SaliencyDistilledClassifier(teacher, max_epochs=80, random_state=0).fit(X, y)

# %%
# Sizes and answers
# -----------------
#
# The last column compares with the alternative of keeping one member and dropping the others.

members_proba = [net.predict_proba(X_new.astype(np.float32)) for net in members]
proba = {f"member {number}": answers for number, answers in enumerate(members_proba, start=1)}
proba["ensemble"] = student.teacher_.predict_proba(X_new.astype(np.float32))
proba["student"] = student.predict_proba(X_new)
answers = {name: classes[p.argmax(axis=1)] for name, p in proba.items()}

n_weights = sum(weights.numel() for weights in members[0].module_.parameters())
weights = dict.fromkeys(proba, n_weights) | {
    "ensemble": len(members) * n_weights,
    "student": sum(weights.numel() for weights in student.student_.module_.parameters()),
}
print(f"{'':12}{'weights':>9}{'accuracy':>10}{'agreement with the ensemble':>29}")
for name, predicted in answers.items():
    agreement = np.mean(predicted == answers["ensemble"])
    accuracy = np.mean(predicted == y_new)
    print(f"{name:12}{weights[name]:9,}{accuracy:10.3f}{agreement:29.3f}")

# %%
# Where the members differ
# ------------------------
#
# Each column is a day on which the members' answers are furthest apart. The small dots are what
# the members say, the bar is their mean, and the diamond is the student, which learnt from the mean
# alone. The background shows which class is predicted. These are the hardest of all days, and no
# measure of how close the student comes on the others.

spread = np.std([p[:, 1] for p in members_proba], axis=0)
days = np.argsort(spread)[::-1][:24]
days = days[np.argsort(proba["ensemble"][days, 1])]
column = np.arange(len(days))

figure, ax = plt.subplots(figsize=(7.4, 3.8), layout="constrained")
ax.axhspan(0.5, 1.03, color="#d95f02", alpha=0.05, linewidth=0)
ax.axhspan(-0.03, 0.5, color="#1b4f72", alpha=0.05, linewidth=0)
said = np.array([p[days, 1] for p in members_proba])
ax.vlines(column, said.min(axis=0), said.max(axis=0), color="0.8", linewidth=1, zorder=1)
for one, p in enumerate(said):
    ax.scatter(column, p, s=12, color="0.55", linewidth=0, zorder=2,
               label=None if one else "a member")  # fmt: skip
ax.scatter(column, proba["ensemble"][days, 1], s=220, marker="_", color="#1b4f72", linewidth=2.6,
           zorder=3, label="the ensemble (their mean)")  # fmt: skip
ax.scatter(column, proba["student"][days, 1], s=42, marker="D", color="#d95f02",
           edgecolor="white", linewidth=0.8, zorder=4, label="the student")  # fmt: skip
ax.set(xlim=(-0.8, len(days) - 0.2), ylim=(-0.03, 1.03), xticks=[], yticks=(0, 0.5, 1))
ax.set_xlabel("the 24 days on which the members differ most, sorted by what the ensemble says")
ax.set_ylabel("probability of the warm half of the year")
figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
ax.spines[["top", "right", "bottom"]].set_visible(False)

# %%
# Who agrees with whom
# --------------------
#
# The share of all days on which two models predict the same class: the last row is the student's.

names = list(answers)
agreement = np.array([[np.mean(answers[a] == answers[b]) for b in names] for a in names])
figure, ax = plt.subplots(figsize=(5.6, 4.3), layout="constrained")
low = agreement.min()
ax.imshow(agreement, cmap="Blues", vmin=low - 0.3 * (1 - low), vmax=1 + 0.2 * (1 - low))
for row, column in np.ndindex(agreement.shape):
    if row != column:
        dark = agreement[row, column] > low + 0.6 * (1 - low)
        ax.text(column, row, f"{100 * agreement[row, column]:.1f}", ha="center", va="center",
                fontsize=9, color="white" if dark else "0.15")  # fmt: skip
ax.axhline(len(members) - 0.5, color="white", linewidth=3)
ax.axvline(len(members) - 0.5, color="white", linewidth=3)
ax.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=9)
ax.set_yticks(range(len(names)), names, fontsize=9)
ax.set_title("days with the same answer, in %", fontsize=10)
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
