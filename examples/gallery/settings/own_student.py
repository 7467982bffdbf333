"""
Can I bring my own network?
===========================

Any torch module that gives logits can be the student. A function that builds it for the shape of
the series is the easiest way; a skorch net is the way if it should also be trained with an
optimiser and settings of your own.
"""

# %%
# The teacher is a support vector machine, which tells days of the warm half of the year from days
# of the cold half by the demand for electricity.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.svm import SVC
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from sktime.datasets import load_italy_power_demand
from torch import nn

from tsdistill import SaliencyDistilledClassifier, Teacher

X, y = load_italy_power_demand(split="train", return_type="numpyflat")
X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
X_new = X_new[:300]
teacher = Teacher(SVC(C=10.0, gamma=0.05).fit(X, y), scale="calibrated")

# %%
# A network
# ---------
#
# A small temporal convolutional network: two dilated convolutions with a shortcut, and the mean
# over time. It takes series of shape ``(n_instances, n_channels, n_timepoints)``, as every student
# does.


class TCN(nn.Module):
    """Dilated convolutions, each of which sees further than the one before."""

    def __init__(self, n_channels, n_classes, width=12):
        super().__init__()
        self.first = nn.Conv1d(n_channels, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, padding=2, dilation=2)
        self.third = nn.Conv1d(width, width, 3, padding=4, dilation=4)
        self.head = nn.Linear(width, n_classes)

    def forward(self, x):
        x = self.first(x).relu()
        x = x + self.second(x).relu()
        x = x + self.third(x).relu()
        return self.head(x.mean(dim=2))


def small_tcn(n_channels, n_timepoints, n_classes):
    """Build the network for series of this shape; a factory as ``student`` takes it."""
    return TCN(n_channels, n_classes)


# %%
# A skorch net keeps its own epochs, batch size, optimiser, learning rate and callbacks. The
# objectives of the distillation replace its criterion.

wide_net = NeuralNetClassifier(
    TCN, module__n_channels=1, module__n_classes=2, module__width=24,
    optimizer=torch.optim.RAdam, lr=0.02, batch_size=16, max_epochs=100, verbose=0,
    callbacks=[LRScheduler(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=100)],
)  # fmt: skip

students = {
    "“lite”, the default": "lite",
    "own network, by a factory": small_tcn,
    "own wider network, as a skorch net": wide_net,
}

# %%
# The three students
# ------------------
#
# Each learns from the same questions to the same teacher.

rows = {}
for name, network in students.items():
    student = SaliencyDistilledClassifier(
        teacher, student=network, max_epochs=100, random_state=0
    ).fit(X, y)
    rows[name] = {
        "weights": sum(weights.numel() for weights in student.student_.module_.parameters()),
        "agreement": student.fidelity_score(X_new),
        "saliency": student.fidelity_score(X_new, metric="saliency"),
        "history": [epoch["saliency"] for epoch in student.history_],
    }
    print(f"{name:35} {rows[name]['weights']:6,} weights, agreement {rows[name]['agreement']:.3f}, "
          f"saliency correlation {rows[name]['saliency']:.2f}")  # fmt: skip

# %%
# On the left, how far each student gives the answers and the reasons of the teacher on held-out
# series; on the right, how the saliency term of the loss falls in training
# (the mean of five epochs).

colours = ("#1b4f72", "#d95f02", "#7b6ba8")
figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.6), width_ratios=(1, 1.15), layout="constrained")
handles = []
for (name, row), colour, marker, dashes, shift in zip(
    rows.items(), colours, "osD", ("-", "--", "-."), (0.2, 0, -0.2), strict=True
):
    places = [1 + shift, shift]
    values = [row["agreement"], row["saliency"]]
    axes[0].hlines(places, 0, values, color=colour, linewidth=2, linestyle=dashes)
    axes[0].plot(values, places, marker, color=colour, markersize=7)
    for place, value in zip(places, values, strict=True):
        axes[0].text(value + 0.03, place, f"{value:.2f}", va="center", fontsize=9, color=colour)
    smooth = np.convolve(row["history"], np.full(5, 0.2), mode="valid")
    axes[1].plot(np.arange(len(smooth)) + 3, smooth, color=colour, linewidth=1.8, linestyle=dashes)
    (line,) = axes[0].plot([], [], color=colour, linewidth=2, linestyle=dashes, marker=marker)
    handles.append((line, f"{name}: {row['weights']:,} weights"))
axes[0].set_yticks((1, 0), ("agreement", "saliency\ncorrelation"))
axes[0].set(xlim=(0, 1.2), ylim=(-0.5, 1.5), xticks=(0, 0.5, 1))
axes[0].set_title("fidelity on held-out series", fontsize=10)
axes[1].set(yscale="log", xlabel="epoch")
axes[1].set_title("saliency term of the loss", fontsize=10)
axes[1].grid(axis="y", alpha=0.25)
figure.legend(*zip(*handles, strict=True), loc="outside lower center", fontsize=9, frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)

# %%
# A network without standardisation, such as this one, sees the series as they are. Put
# ``tsdistill.students.Standardise`` in front of it if their scale varies. A student of your own
# can be saved and sent to other processes only if its class is defined in a file that can be
# imported.
