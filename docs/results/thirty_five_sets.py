"""
Thirty-five sets, one seed
==========================

MultiRocket again, on all sets that were run. On most of the sets that the twelve of
:doc:`strong_teachers` do not hold, defaults were chosen, so this page shows breadth and not
proof.
"""

import pandas as pd
from measured import draw_by_set, means, runs_of

ARMS = ["labels", "KD", "KD, same copies", "TSD as published", "default"]
runs = runs_of("ucr", "ucr_others", teacher="multirocket", seed=0)
means(runs, ARMS)

# %%
# On how many sets is the default better than each other student?
better = {}
for name, sign in {"agreement": 1, "KL": -1, "saliency": 1}.items():
    by_set = runs.pivot_table(index="set", columns="arm", values=name)
    better[name] = (sign * by_set.rsub(by_set["default"], axis=0) > 0).sum()
pd.DataFrame(better).loc[ARMS[:-1]]

# %%
figure = draw_by_set(runs, ARMS[1:])
