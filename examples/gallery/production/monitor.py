"""
How do I notice that it went wrong in use?
==========================================

In use there are no labels, and nobody looks at single answers. ``SwapMonitor`` answers as the swap
does, asks the teacher about a random share of the series beside it, and rings if the swap no longer
keeps its promise, or if the series are no longer what they were.
"""

# %%
# A forest is replaced by a small network that asks it when in doubt
# (:class:`~tsdistill.DeferringClassifier`). The promise: at most 2 % of all answers differ from the
# forest's.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import DeferringClassifier, SaliencyDistilledClassifier, SwapMonitor

X, y = load_italy_power_demand(split="train", return_type="numpyflat")
X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
X_held, X_live = X_new[:500], X_new[500:]

teacher = RandomForestClassifier(100, random_state=0).fit(X, y)
student = SaliencyDistilledClassifier(teacher, max_epochs=60, random_state=0).fit(X, y)
swap = DeferringClassifier(student, max_disagreement=0.02).fit(X_held)

# %%
# In use
# ------
#
# A series is the demand for electricity on one day. The days come 50 at a time; to have many, they
# are drawn from those that no model has seen. The monitor asks the teacher about a quarter of them.

rng = np.random.default_rng(0)
monitor = SwapMonitor(
    swap, audit_rate=0.25, random_state=0, on_alarm=lambda monitor: print("rings:", monitor.alarms_)
)


def days(n=50):
    """Days as they come in use."""
    return X_live[rng.integers(len(X_live), size=n)]


for _ in range(60):
    monitor.predict(days())
print(
    f"{monitor.status}: {monitor.n_audited_} of {monitor.n_seen_} days audited, "
    f"{monitor.n_disagreed_} differ, at most {100 * monitor.bound_:.2f} % of all do"
)

# %%
# The meters are replaced
# -----------------------
#
# The new meters read half as much again, and a little more. Neither model has ever seen such
# series. The function ``on_alarm`` is called once for each alarm.


def new_meter(X):
    """The same days, read by the new meters."""
    return 1.5 * X + 0.5


n_before = monitor.n_seen_
for _ in range(30):
    monitor.predict(new_meter(days()))
print(monitor.status)

# %%
# What the monitor saw
# --------------------
#
# The alarms "input" and "confidence" need no teacher: they say that the series, and how sure the
# student is of them, have changed. "disagreement" says that the promise is broken. The vertical
# lines show when each rang.

figure = plt.figure(figsize=(6.4, 6.2), layout="constrained")
above, below = figure.subplots(2, 1, height_ratios=[1, 1.7])
for name, shown, colour, hatch in (
    ("old meters", X_live, "#1b4f72", None),
    ("new meters", new_meter(X_live), "#d95f02", "///"),
):
    low, middle, high = np.quantile(shown, [0.1, 0.5, 0.9], axis=0)
    above.plot(middle, color=colour, linewidth=2, label=f"{name}: median, 10 to 90 % of the days")
    above.fill_between(np.arange(24), low, high, color=colour, alpha=0.2, linewidth=0, hatch=hatch)
above.legend(fontsize=8, frameon=False, loc="lower right")
above.set(xlim=(0, 23), xticks=range(0, 24, 4), xlabel="hour", ylabel="demand, as measured")
above.set_title("the same days, read by old and new meters", fontsize=10)
above.spines[["top", "right"]].set_visible(False)
below.axvspan(n_before, monitor.n_seen_, color="#d95f02", alpha=0.08, linewidth=0)
display = monitor.plot(ax=below)

# %%
# An alarm of drift alone is no broken promise; an alarm of disagreement is. What to do then, from
# the alarm to a student that has learnt again, stands in *Replacing a model*.
