"""
Does the small model decide for the same reasons?
=================================================

Two small networks give the answers of a large model almost equally often. Their saliency maps tell
whether they also decide by the same stretches of the series: one was trained by plain knowledge
distillation (KD), the other by saliency distillation.
"""

# %%
# The series of GunPoint show the height of a hand. In one class it draws a gun and puts it back;
# in the other it points with a finger. The teacher is of a kind that is often among the most
# accurate: random convolutions, here 500, with a ridge classifier on what they find.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sktime.datasets import load_gunpoint

from tsdistill import SaliencyDistilledClassifier
from tsdistill.display import SaliencyDisplay
from tsdistill.fidelity import per_series_correlation

X, y = load_gunpoint(split="train", return_type="numpy3D")
X_new, y_new = load_gunpoint(split="test", return_type="numpy3D")

random = torch.Generator().manual_seed(0)
dilations = (1, 2, 4, 8, 16)
filters = torch.randn(len(dilations), 100, 1, 9, generator=random)
filters -= filters.mean(dim=-1, keepdim=True)
biases = torch.randn(len(dilations), 100, 1, generator=random)


def random_convolutions(X):
    """Per filter: how often its output is positive, and its largest output."""
    X = torch.as_tensor(X, dtype=torch.float32)
    found = []
    for weights, bias, dilation in zip(filters, biases, dilations, strict=True):
        output = bias + torch.conv1d(X, weights, dilation=dilation, padding=4 * dilation)
        found += [(output > 0).float().mean(dim=-1), output.amax(dim=-1)]
    return torch.cat(found, dim=1).numpy()


teacher = make_pipeline(
    FunctionTransformer(random_convolutions),
    StandardScaler(),
    RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)),
).fit(X, y)

# %%
# Both students are the same network and are trained for equally long. With ``saliency_weight=0``
# the student learns the teacher's answers alone, which is plain KD.

students = {
    "KD": SaliencyDistilledClassifier(teacher, saliency_weight=0, max_epochs=100, random_state=0),
    "saliency-distilled": SaliencyDistilledClassifier(teacher, max_epochs=100, random_state=0),
}
print(f"{'':20}accuracy  agreement with the teacher")
print(f"{'teacher':20}{teacher.score(X_new, y_new):8.3f}")
for name, student in students.items():
    student.fit(X, y)
    print(f"{name:20}{student.score(X_new, y_new):8.3f}{student.fidelity_score(X_new):11.3f}")

# %%
# One series, three models
# ------------------------
#
# ``explain`` replaces a window of the series and measures how much less the model then speaks for
# its answer. Red timesteps speak for the class, and blue ones against it. All three models are
# explained for the class that the teacher predicts. With ``fill="mean"``, the window becomes flat
# at the mean of the training series: a replacement on which neither student was trained. Other
# replacements ask other questions, see :doc:`/saliency_maps`.

target = students["KD"].teacher_.predict(X_new)
explained = {"target": target, "fill": "mean"}
maps = {"teacher": students["KD"].explain(X_new, of="teacher", **explained)}
for name, student in students.items():
    maps[name] = student.explain(X_new, **explained)

picked = [np.flatnonzero(y_new == label)[3] for label in ("1", "2")]
display = SaliencyDisplay(
    X_new[picked],
    {name: saliency[picked] for name, saliency in maps.items()},
    titles=["a series of class Gun", "a series of class Point"],
).plot(figure=plt.figure(figsize=(7.4, 5.4), layout="constrained"))

# %%
# Many series
# -----------
#
# Two series could have been chosen to please. For each series of the test split, the map of a
# student is therefore compared with that of the teacher: 1 is the same map up to its scale, 0 is
# an unrelated one, and below 0 the student tends to use as evidence for the class what the
# teacher uses against it.

colours = {"KD": "#5d6d7e", "saliency-distilled": "#d95f02"}
rng = np.random.default_rng(0)
figure, ax = plt.subplots(figsize=(7.4, 2.6), layout="constrained")
for row, (name, colour) in enumerate(colours.items()):
    correlation = per_series_correlation(maps["teacher"], maps[name])
    height = row + rng.uniform(-0.22, 0.22, len(correlation))
    ax.scatter(correlation, height, s=12, color=colour, alpha=0.6, linewidth=0)
    middle = np.median(correlation)
    ax.plot([middle, middle], [row - 0.36, row + 0.36], color="0.1", linewidth=2)
    ax.annotate(f"median {middle:.2f}", (middle, row + 0.38), fontsize=9, ha="center",
                annotation_clip=False)  # fmt: skip
ax.axvline(0, color="0.6", linewidth=0.8, linestyle=":")
ax.set_yticks(range(len(colours)), colours, fontsize=10)
ax.set(xlim=(-1.02, 1.06), ylim=(-0.5, 1.65))
ax.set_xlabel("correlation of a student's saliency map with the teacher's, a dot for each series")
ax.spines[["top", "right", "left"]].set_visible(False)
ax.tick_params(left=False)
