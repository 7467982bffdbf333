"""
Strong teachers: twelve sets, three seeds
=========================================

The teachers are MultiRocket with a ridge classifier and an ensemble of five InceptionTimes, both
among the most accurate classifiers. The student is the same small network in every row; what it
was taught differs. No hyperparameter was chosen on these sets.
"""

from measured import draw_by_set, means, runs_of

ARMS = ["labels", "KD", "KD, same copies", "TSD as published", "default"]

# %%
# MultiRocket
# -----------
# Means over sets and seeds. Agreement, KL and saliency correlation compare with the teacher.
multirocket = runs_of("ucr", teacher="multirocket")
means(multirocket, ARMS)

# %%
# Each row of the picture is a set, each mark the mean of three seeds.
figure = draw_by_set(multirocket, ARMS[1:])

# %%
# An ensemble of InceptionTimes
# -----------------------------
inception = runs_of("ucr", teacher="inceptiontime")
arms = [arm for arm in ARMS if arm in set(inception["arm"])]
means(inception, arms)

# %%
figure = draw_by_set(inception, arms[1:])

# %%
# What the networks take
# ----------------------
# Weights, questions to the teacher and seconds of training, on two cores of a shared machine.
multirocket.groupby("arm")[["weights", "queries", "training seconds", "us a series"]].mean().loc[
    ARMS
].round(1)
