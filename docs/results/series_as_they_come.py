"""
Series that differ in length, and series with gaps
==================================================

Six sets whose series end at different times or have gaps, three seeds, with MiniRocket as
teacher. "Resampled" and "padded" are what one would do by hand: bring the series to one length
first.
"""

from measured import draw_by_set, means, runs_of

ARMS = ["labels", "KD", "KD, same copies", "default"]
uneven = runs_of("uneven", teacher="minirocket")
means(uneven, [arm for arm in [*ARMS, "resampled", "padded"] if arm in set(uneven["arm"])])

# %%
figure = draw_by_set(uneven, ARMS[1:])

# %%
# A tenth of all values struck out at random
# ------------------------------------------
# Three sets, three seeds; ``struck`` is the share of values that are missing, in training and in
# the test.
struck = runs_of("struck")
struck.groupby(["arm", "struck"])[["accuracy", "agreement", "KL", "saliency"]].mean().round(3)
