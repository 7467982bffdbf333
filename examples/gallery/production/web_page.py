"""
Can somebody try it in a browser?
=================================

Whoever has to trust a model wants to play with it: what would it say without this stretch?
``to_html`` writes one HTML file that runs the student in the browser, with its maps. It loads
nothing and sends nothing, so it can be mailed, or opened from a disk.
"""

# %%
# The series are from GunPoint: the position of a hand over time, while somebody draws a gun (class
# 1) or only points (class 2). The teacher is a support vector machine.

import html
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.svm import SVC
from sktime.datasets import load_gunpoint

from tsdistill import SaliencyDistilledClassifier
from tsdistill.display import SaliencyDisplay

X, y = load_gunpoint(split="train", return_type="numpyflat")
X_new, _ = load_gunpoint(split="test", return_type="numpyflat")
teacher = SVC(C=10, gamma=0.03).fit(X, y)
student = SaliencyDistilledClassifier(teacher, max_epochs=150, random_state=0).fit(X, y)
print(f"agreement with the teacher: {student.fidelity_score(X_new):.3f}")

# %%
# Two series and their maps, as Python draws them:

chosen = [int(np.flatnonzero(student.predict(X_new) == label)[0]) for label in student.classes_]
display = SaliencyDisplay.from_estimator(
    student,
    X_new[chosen],
    of="student",
    titles=["drawing a gun", "pointing"],
    figure=plt.figure(figsize=(7.0, 2.8), layout="constrained"),
)

# %%
# The page
# --------
#
# The student is rounded to eight bits first, which makes the page smaller. The same two series come
# first. Point at a stretch to see what the answer would be without it, drag to choose a stretch and
# replace it, or paste series of your own below.


class Page:
    """A page to show in a notebook or gallery, in a frame that may run scripts and nothing else."""

    def __init__(self, text, height=1150):
        self.text = text
        self.height = height

    def _repr_html_(self):
        return (
            f'<iframe srcdoc="{html.escape(self.text)}" sandbox="allow-scripts" loading="lazy" '
            f'title="a student to try" style="width:100%; height:{self.height}px; border:0">'
            "</iframe>"
        )


others = np.setdiff1d(np.arange(20), chosen)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "gunpoint.html"
    student.quantised(bits=8).to_html(path, X_new[[*chosen, *others]])
    page = path.read_text(encoding="utf-8")
print(f"{len(page) / 1000:.0f} kB")
Page(page)
