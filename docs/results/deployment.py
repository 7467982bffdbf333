"""
What students take elsewhere
============================

Time for one series, size of the files, and fidelity after rounding to eight bits, for each kind
of student; three sets, two teachers. Flash and RAM are those of the C file compiled for a
Cortex-M4.
"""

import matplotlib.pyplot as plt
from measured import runs_of

runs = runs_of("deployment")
NAMES = {
    "us predict_proba": "Python (µs)",
    "us onnx": "ONNX Runtime (µs)",
    "us C": "C (µs)",
    "file": "file (bytes)",
    "onnx": "ONNX file (bytes)",
    "flash": "flash (bytes)",
    "ram": "RAM (bytes)",
    "agreement to teacher": "agreement with the teacher",
}
table = runs.groupby(["student", "bits"])[list(NAMES)].mean().rename(columns=NAMES)
table.style.format(lambda value: f"{value:,.0f}" if value > 1 else f"{value:.3f}")

# %%
# Microseconds for one series on one core: the teacher, the student in Python, in ONNX Runtime,
# and as C.
order = runs.groupby("student")["us C"].mean().sort_values().index
ways = {"us predict_proba": "Python", "us onnx": "ONNX Runtime", "us C": "C"}
full = runs[runs["bits"] == 32].groupby("student")[["us teacher", *ways]].mean().loc[order]
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for offset, (column, label) in enumerate(ways.items()):
    ax.barh([i + 0.26 * (offset - 1) for i in range(len(order))], full[column], 0.24, label=label,
            color=["#bbbbbb", "#0072b2", "#b2182b"][offset])  # fmt: skip
ax.axvline(full["us teacher"].mean(), color="#333333", linestyle="--", label="teacher (mean)")
ax.set(xscale="log", xlabel="µs a series", yticks=range(len(order)), yticklabels=order)
ax.spines[["top", "right"]].set_visible(False)
_ = figure.legend(loc="outside upper center", ncols=4)
