"""
Which channels and timesteps matter?
====================================

A smartwatch records six channels. ``explain`` with ``per_channel=True`` says what each timestep of
each channel did for the answer, in the student and in its teacher, and the mean over many series
says which sensors a model uses.
"""

# %%
# In BasicMotions, people stand, walk, run and play badminton for ten seconds. The teacher is a
# fully convolutional network with wide layers.

import matplotlib.pyplot as plt
import numpy as np
import torch
from skorch import NeuralNetClassifier
from sktime.datasets import load_basic_motions

from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.fidelity import per_series_correlation
from tsdistill.students import FCN

X, y = load_basic_motions(split="train", return_type="numpy3D")
X_new, y_new = load_basic_motions(split="test", return_type="numpy3D")
CHANNELS = ["accel. x", "accel. y", "accel. z", "gyro x", "gyro y", "gyro z"]
classes, class_index = np.unique(y, return_inverse=True)

torch.manual_seed(0)
network = FCN(n_filters=64).build(n_channels=6, n_timepoints=100, n_classes=4)
net = NeuralNetClassifier(
    network, criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, lr=0.002,
    batch_size=10, max_epochs=30, iterator_train__shuffle=True, train_split=None, verbose=0,
).fit(X.astype(np.float32), class_index)  # fmt: skip
teacher = Teacher(net, classes=classes)

student = SaliencyDistilledClassifier(teacher, max_epochs=80, random_state=0).fit(X, y)
print(f"weights of the teacher     {sum(w.numel() for w in network.parameters()):,}")
weights = sum(w.numel() for w in student.student_.module_.parameters())
print(f"weights of the student     {weights:,}")
print(f"agreement of the two       {student.fidelity_score(X_new):.3f}")

# %%
# Where in which channel
# ----------------------
#
# One series of each class. Each row of a map is a channel, and time runs to the right. Red
# stretches speak for the class: replaced by what the same sensor showed in series of other
# classes, they leave the model less sure. Blue stretches speak against it. Teacher and student
# share the scale of a column.

target = student.teacher_.predict(X_new)
maps = {
    "teacher": student.explain(X_new, of="teacher", target=target, per_channel=True),
    "student": student.explain(X_new, target=target, per_channel=True),
}
correlation = per_series_correlation(maps["teacher"], maps["student"])
print(f"mean correlation of the maps: {correlation.mean():.2f}")

figure, axes = plt.subplots(
    2, len(classes), figsize=(7.4, 4.0), sharex=True, sharey=True, layout="constrained"
)
for column, label in zip(axes.T, classes, strict=True):
    i = np.flatnonzero(y_new == label)[0]
    largest = max(np.abs(saliency[i]).max() for saliency in maps.values())
    for ax, saliency in zip(column, maps.values(), strict=True):
        image = ax.imshow(
            saliency[i] / largest, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto",
            interpolation="nearest", extent=(0, 10, len(CHANNELS) - 0.5, -0.5),
        )  # fmt: skip
        ax.hlines(np.arange(5) + 0.5, 0, 10, color="white", linewidth=1.5)
        ax.spines[:].set_visible(False)
        ax.tick_params(left=False, labelsize=8.5)
    column[0].set_title(label.lower(), fontsize=10)
    column[1].set(xticks=(0, 5, 10))
for ax, name in zip(axes[:, 0], maps, strict=True):
    ax.set_yticks(range(len(CHANNELS)), CHANNELS)
    ax.set_ylabel(name, fontsize=10, fontweight="bold")
figure.supxlabel("seconds", fontsize=9)
bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=25, pad=0.015)
bar.set_ticks((-1, 0, 1), labels=("against\nthe class", "neutral", "for\nthe class"))
bar.ax.tick_params(labelsize=8.5)

# %%
# Which sensors
# -------------
#
# The mean of the absolute values over all timesteps and series of a class says how much a model
# uses a channel. Each panel is a class, in which the shares of each model add up to 100 %. Where a
# dot lies at the end of a bar, the student uses the channel as much as the teacher does.

figure, axes = plt.subplots(
    1, len(classes), figsize=(7.4, 2.7), sharex=True, sharey=True, layout="constrained"
)
for ax, label in zip(axes, classes, strict=True):
    used = {
        name: np.abs(saliency[target == label]).mean(axis=(0, 2)) for name, saliency in maps.items()
    }
    used = {name: 100 * share / share.sum() for name, share in used.items()}
    bars = ax.barh(range(len(CHANNELS)), used["teacher"], color="#7fa3bd", height=0.6)
    (dots,) = ax.plot(used["student"], range(len(CHANNELS)), "o", color="#d95f02", markersize=6)
    ax.set_title(label.lower(), fontsize=10)
    ax.set_yticks(range(len(CHANNELS)), CHANNELS, fontsize=8.5)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(left=False, labelsize=8.5)
figure.supxlabel("share of a channel in all that the map shows, in %", fontsize=9)
figure.legend([bars, dots], ["teacher", "student"], loc="outside upper center", ncols=2,
              fontsize=9, frameon=False)  # fmt: skip
axes[0].set_xlim(left=0)
axes[0].invert_yaxis()
