"""
How does it run without Python?
===============================

A server wants an ONNX file, a microcontroller wants C. Both must give the answers of the student
that was checked, and the ONNX file its reasons as well. This example writes them, runs them and
compares, and shows what fewer bits cost and save.
"""

# %%
# The teacher is a support vector machine that tells days of the warm half of the year from those of
# the cold half by the demand for electricity. The student learns from its decision values.

import ctypes
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd
from sklearn.svm import SVC
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier
from tsdistill.students import Lite

X, y = load_italy_power_demand(split="train", return_type="numpyflat")
X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
teacher = SVC(C=10).fit(X, y)
student = SaliencyDistilledClassifier(teacher, max_epochs=60, random_state=0).fit(X, y)
print(f"agreement with the teacher: {student.fidelity_score(X_new):.3f}")

temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

# %%
# ONNX: answers and reasons
# -------------------------
#
# With ``explain=True``, the file gives the map of ``explain`` for any class as well; -1 asks for
# the class that is predicted. Series are passed as they were measured.

student.to_onnx(folder / "student.onnx", explain=True)
session = onnxruntime.InferenceSession(folder / "student.onnx")
series = X_new[:20, np.newaxis].astype(np.float32)
proba, maps = session.run(None, {"series": series, "target": np.full(20, -1)})

print(
    "largest difference of a probability:", np.abs(proba - student.predict_proba(X_new[:20])).max()
)
print("largest difference of a map:        ", np.abs(maps - student.explain(X_new[:20])).max())
print("classes:", json.loads(session.get_modelmeta().custom_metadata_map["classes"]))

# %%
# C: one file
# -----------
#
# ``to_c`` writes a C99 file that allocates nothing and needs ``math.h`` alone. This is its
# interface:

small = student.quantised(bits=8)
small.to_c(folder / "student.c")
source = (folder / "student.c").read_text()
print(
    next(
        line
        for line in source.splitlines()
        if line.startswith("int tsdistill_predict(") and line.endswith(";")
    )
)

# %%
# Where there is a C compiler, the file is compiled and called with the same series.

compiler = shutil.which("cc") or shutil.which("gcc")
if compiler:
    library = folder / "student.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", folder / "student.c", "-o", library, "-lm"],
        check=True,
    )
    run = ctypes.CDLL(str(library)).tsdistill_predict
    as_float = np.ctypeslib.ndpointer(np.float32)
    run.argtypes = [as_float, as_float]
    answers, proba = [], np.zeros(2, dtype=np.float32)
    for one in X_new.astype(np.float32):
        answers.append(run(one, proba))
    same = student.classes_[answers] == small.predict(X_new)
    print(f"C and Python give the same answer to {np.sum(same)} of {len(same)} series")
else:
    print("no C compiler was found")

# %%
# How many bits does it need?
# ---------------------------
#
# ``quantised`` rounds the weights, and weights make up for the rounding of others. Each student is
# a classifier like any other, so its fidelity can be looked at before it is used.

smaller = SaliencyDistilledClassifier(
    teacher, student=Lite(n_filters=4), max_epochs=60, random_state=0
).fit(X, y)
students = {f"{one.student_costs()['weights']:,} weights": one for one in (student, smaller)}

rows = {}
for name, one in students.items():
    for bits in (2, 3, 4, 5, 6, 8, 32):
        rounded = one if bits == 32 else one.quantised(bits=bits)
        rows[name, bits] = {
            "agreement": rounded.fidelity_score(X_new),
            "kilobytes": rounded.student_costs()["constant_bytes"] / 1000,
        }
table = pd.DataFrame.from_dict(rows, orient="index")
table.index.names = ["student", "bits"]
table.round(3)

# %%
# The constants are what a microcontroller holds in its flash; code comes on top. In C, a rounded
# weight takes a byte, however few its bits are.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(7.2, 3.7), layout="constrained", width_ratios=[1.6, 1]
)
looks = (("#1b4f72", "o", "-"), ("#d95f02", "s", "--"))
for k, (name, (colour, marker, line)) in enumerate(zip(students, looks, strict=True)):
    part = table.loc[name]
    at = np.arange(len(part))
    left.plot(
        at, 100 * part["agreement"], line, marker=marker, color=colour, linewidth=2, label=name
    )
    bars = right.bar(np.arange(2) + 0.4 * k, part.loc[[32, 8], "kilobytes"], 0.36, color=colour)
    right.bar_label(bars, fmt="%.1f", padding=2, fontsize=9)
left.set_xticks(at, part.index)
left.set(xlabel="bits of each weight", ylabel="% of series with the teacher's answer")
left.set_title("agreement", fontsize=11)
left.grid(alpha=0.25)
right.set_xticks([0.2, 1.2], ["32 bits", "2 to 8 bits"])
right.set(ylabel="kB of constants in C", ylim=(0, 1.15 * table["kilobytes"].max()))
right.set_title("size", fontsize=11)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)
legend = figure.legend(loc="outside lower center", ncols=2, frameon=False)

temporary.cleanup()
