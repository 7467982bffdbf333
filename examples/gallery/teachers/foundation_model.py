"""
My teacher is an embedding with a linear head
=============================================

A foundation model turns a series into an embedding, and a linear head on a few labelled series
makes a classifier of it. The head is tiny, but every answer still needs the whole model. Can a
student of a few thousand weights take the place of both?
"""

# %%
# An embedding that stands in for a foundation model
# --------------------------------------------------
#
# So that this page needs no download, a small network stands in for MOMENT, Chronos or Mantis. It
# is trained in a few seconds, without labels, on series of other sets (outlines of leaves and
# arrowheads, hands that move), such that two distorted views of a series have similar embeddings.
# Then it is frozen. How a real model takes its place is shown at the end.

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sktime.datasets import load_arrow_head, load_gunpoint, load_italy_power_demand, load_osuleaf
from torch import nn

from tsdistill import SaliencyDistilledClassifier
from tsdistill.display import SaliencyDisplay

LENGTH = 96


def resized(X):
    """Standardised series of one length."""
    X = F.interpolate(torch.as_tensor(X, dtype=torch.float32), LENGTH, mode="linear")
    return (X - X.mean(dim=2, keepdim=True)) / X.std(dim=2, keepdim=True)


others = [load(return_type="numpy3D")[0] for load in (load_osuleaf, load_arrow_head, load_gunpoint)]
corpus = torch.cat([resized(X) for X in others])


class Encoder(nn.Module):
    """Dilated convolutions; mean and largest output of each filter are the embedding."""

    def __init__(self, width=64):
        super().__init__()
        layers = [nn.Conv1d(1, width, 9, stride=3, padding=4), nn.ReLU()]
        for dilation in (1, 2, 4):
            padding = 2 * dilation
            layers += [nn.Conv1d(width, width, 5, padding=padding, dilation=dilation), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def forward(self, X):
        found = self.layers(X)
        return torch.cat([found.mean(dim=2), found.amax(dim=2)], dim=1)


def view(X, random):
    """A random part of each series, stretched to the full length, with noise."""
    length = int(torch.randint(LENGTH // 2, LENGTH, (1,), generator=random))
    start = int(torch.randint(0, LENGTH - length + 1, (1,), generator=random))
    X = F.interpolate(X[:, :, start : start + length], LENGTH, mode="linear")
    return X + 0.1 * torch.randn(X.shape, generator=random)


torch.manual_seed(0)
random = torch.Generator().manual_seed(0)
encoder = Encoder()
optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.002)
for _ in range(60):
    batch = corpus[torch.randperm(len(corpus), generator=random)[:64]]
    one, other = (F.normalize(encoder(view(batch, random))) for _ in range(2))
    loss = F.cross_entropy(one @ other.T / 0.1, torch.arange(len(batch)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
for weights in encoder.parameters():
    weights.requires_grad_(False)

# %%
# The teacher
# -----------
#
# The teacher is a pipeline: the frozen embedding and a logistic regression, which is fitted on 67
# labelled days of power demand (are they of the warm half of the year, or of the cold half?). To
# tsdistill it is a classifier like any other. The student also learns from 400 days that only the
# teacher labels: a model that needs few labels usually comes with many series that have none.


def embed(X):
    """Embeddings of series."""
    return F.normalize(encoder(resized(X))).numpy()


X, y = load_italy_power_demand(split="train", return_type="numpy3D")
X_new, y_new = load_italy_power_demand(split="test", return_type="numpy3D")
X_unlabelled, X_new, y_new = X_new[:400], X_new[400:], y_new[400:]
teacher = make_pipeline(FunctionTransformer(embed), LogisticRegression(C=300.0, max_iter=1000))
teacher.fit(X, y)
student = SaliencyDistilledClassifier(teacher, max_epochs=40, random_state=0)
student.fit(X, y, X_unlabelled=X_unlabelled)

n_weights = {
    "teacher": sum(weights.numel() for weights in encoder.parameters()),
    "student": sum(weights.numel() for weights in student.student_.module_.parameters()),
}
for name, model in {"teacher": teacher, "student": student}.items():
    print(f"{name}: {n_weights[name]:7,} weights, accuracy {model.score(X_new, y_new):.3f}")
print(f"agreement {student.fidelity_score(X_new):.3f}")
print(f"saliency correlation {student.fidelity_score(X_new[:200], metric='saliency'):.2f}")

# %%
# What the head sees, and what the student says
# ---------------------------------------------
#
# On the left, the embeddings of the series, by their first two principal components. On the right,
# each point is a series of the test split. On the diagonal, the student says exactly what the
# teacher says; in the shaded quarters the two predict different classes.

components = PCA(2, random_state=0).fit(embed(X_new))
labelled, held_out = components.transform(embed(X)), components.transform(embed(X_new))
said = [model.decision_function(X_new) for model in (teacher, student)]  # log-odds
looks = {"1": ("cold half", "#1b4f72", "o"), "2": ("warm half", "#d95f02", "^")}

figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.9), layout="constrained")
for label, (name, colour, marker) in looks.items():
    rows = y_new == label
    axes[0].scatter(*held_out[rows].T, s=18, color=colour, marker=marker, alpha=0.5, linewidth=0)
    axes[0].scatter(*labelled[y == label].T, s=38, color=colour, marker=marker, edgecolor="0.1",
                    linewidth=0.9)  # fmt: skip
    axes[1].scatter(said[0][rows], said[1][rows], s=22, color=colour, marker=marker, alpha=0.6,
                    linewidth=0, label=name)  # fmt: skip
axes[0].set(xticks=[], yticks=[], xlabel="first component", ylabel="second component")
axes[0].set_title("embeddings (outlined: with a label)", fontsize=10)
end = 1.08 * np.abs(said).max()
for corner in ((-end, 0), (0, -end)):
    axes[1].add_patch(plt.Rectangle(corner, end, end, color="0.93", zorder=0))
axes[1].plot([-end, end], [-end, end], color="0.3", linewidth=1, zorder=1)
axes[1].set(xlim=(-end, end), ylim=(-end, end), aspect="equal")
axes[1].set(
    xlabel="teacher's log-odds of the warm half", ylabel="student's log-odds of the warm half"
)
axes[1].set_title("answers of teacher and student", fontsize=10)
figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)

# %%
# The same reasons
# ----------------
#
# The saliency maps of teacher and student for the two days about which the teacher is surest.

picked = [said[0].argmin(), said[0].argmax()]
display = SaliencyDisplay.from_estimator(
    student, X_new[picked], of=("teacher", "student"), look="shade",
    titles=["a day of the cold half", "a day of the warm half"],
    figure=plt.figure(figsize=(7.4, 3.8), layout="constrained"),
)  # fmt: skip

# %%
# A real foundation model
# -----------------------
#
# Only ``embed`` changes. For MOMENT (``pip install momentfm``; its weights are downloaded, and
# this block is not run here), which takes 512 timesteps:
#
# .. code-block:: python
#
#     from momentfm import MOMENTPipeline
#
#     moment = MOMENTPipeline.from_pretrained(
#         "AutonLab/MOMENT-1-large", model_kwargs={"task_name": "embedding"}
#     )
#     moment.init()
#     moment.eval()
#
#     def embed(X):
#         X = F.interpolate(torch.as_tensor(X, dtype=torch.float32), 512, mode="linear")
#         with torch.no_grad():
#             return moment(x_enc=X).embeddings.numpy()
#
# Such a model takes much longer for an answer: ``n_queries`` bounds what ``fit`` asks, and
# ``memory`` keeps the answers.
