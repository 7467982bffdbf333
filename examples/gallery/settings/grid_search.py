"""
Which settings?
===============

The defaults follow the size of the data, and most users need no others. To try some, the distilled
classifier goes into scikit-learn's ``GridSearchCV`` like any estimator, and ``fidelity_scorer``
scores candidates by how closely they follow the teacher: its answers, its reasons, or both.
"""

# %%
# The teacher is a random forest. The search runs on series that it was not fitted on: on its own
# training series, a forest is far more certain than on others. No labels are needed for that,
# since the teacher labels the series.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sktime.datasets import load_italy_power_demand

from tsdistill import SaliencyDistilledClassifier
from tsdistill.fidelity import fidelity_scorer

X, y = load_italy_power_demand(split="train", return_type="numpyflat")
X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
teacher = RandomForestClassifier(50, min_samples_leaf=3, random_state=0).fit(X, y)
X_search = X_new[:150]

# %%
# Two settings are searched: the weight of the saliency, where 0 is plain knowledge distillation,
# and the size of the network. The forest answers quickly; for a slow teacher pass ``memory=`` a
# folder, and the candidates share its answers.

search = GridSearchCV(
    SaliencyDistilledClassifier(teacher, max_epochs=25, random_state=0),
    {"saliency_weight": [0.0, 1.0, 5.0], "student__n_filters": [1, 3, 8]},
    scoring={metric: fidelity_scorer(metric) for metric in ("agreement", "saliency")},
    refit="saliency",
    cv=2,
).fit(X_search, teacher.predict(X_search))
print(search.best_params_)

# %%
# Two measures, one grid
# ----------------------
#
# Each cell is the mean of two folds, and darker is better. A box marks the best cell of each
# measure. A fold holds 75 series, so neighbours whose values hardly differ could change places in
# another split; what holds over whole rows or columns is worth more than the best cell.

results = pd.DataFrame(search.cv_results_)
titles = {"agreement": "agreement", "saliency": "saliency correlation"}
figure, axes = plt.subplots(1, 2, figsize=(6.6, 3.2), sharey=True, layout="constrained")
axes[0].set_ylabel("student__n_filters", fontsize=9.5)
for ax, (metric, title) in zip(axes, titles.items(), strict=True):
    table = results.pivot(
        index="param_student__n_filters",
        columns="param_saliency_weight",
        values=f"mean_test_{metric}",
    )
    values = table.to_numpy()
    low, high = values.min(), values.max()
    ax.imshow(values, cmap="Blues", vmin=low - 0.25 * (high - low), vmax=high, aspect="auto",
              origin="lower")  # fmt: skip
    for (row, column), value in np.ndenumerate(values):
        dark = value > low + 0.55 * (high - low)
        ax.text(column, row, f"{value:.3f}", ha="center", va="center", fontsize=9.5,
                color="white" if dark else "0.15")  # fmt: skip
    row, column = np.unravel_index(values.argmax(), values.shape)
    ax.add_patch(plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, clip_on=False,
                               edgecolor="#d95f02", linewidth=2.5))  # fmt: skip
    ax.set_xticks(range(len(table.columns)), [f"{weight:g}" for weight in table.columns])
    ax.set_yticks(range(len(table.index)), table.index)
    ax.set_title(title, fontsize=10.5)
    ax.set_xlabel("saliency_weight", fontsize=9.5)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)

# %%
# The search is a classifier, too. Its best candidate was fitted on all series of the search, and
# is measured here on series that played no part in it.

X_test = X_new[150:450]
for metric in titles:
    print(f"{metric:10}{search.best_estimator_.fidelity_score(X_test, metric=metric):7.3f}")
