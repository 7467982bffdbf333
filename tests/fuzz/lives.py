"""What the lives of a classifier are made of: labels, settings, and the states that stay."""

import os
import pickle
import random

import numpy as np
import torch

LABELS = ([0, 1], ["a", "b"], [-1.0, 2.0], [3, 5, 9], ["é\n", "", "ü"], [False, True])
BAD_SERIES = ("NaN", "one class", "text", "0-D", "no series", "few labels", "weights", "ragged y")
WAYS_TO_COPY = ("deepcopy", "copy", "pickle", "joblib", "save")
INVALID = {
    "batch_size": 0,
    "lr": np.nan,
    "temperature": 0.0,
    "saliency": "sums",
    "n_windows": 1.5,
    "max_epochs": 0,
    "windows_per_step": 2.5,
    "validation_fraction": 1.0,
    "donors": "all",
    "missing": None,
    "warm_start": "yes",
    "device": "abacus",
    "n_jobs": 0,
    "verbose": "loud",
    "random_state": "seed",
    "label_weight": -1,
    "window_size": 0,
    "student": "larger",
    "class_weight": {"nobody": 1.0},
    "memory": 3,
    "callbacks": [3],
    "auxiliary": 3,
    "teacher": 3,
}
VALID = {
    "batch_size": (2, 8),
    "temperature": (1.0, 4),
    "saliency": ("class", "logit_change", "sum", "decoupled"),
    "saliency_weight": (None, 0, 2.0),
    "n_mixtures": (0, 3),
    "windows_per_step": (1, 0.5, 2),
    "donors": (None, "zero", "same", "varied"),
    "class_weight": (None, "balanced"),
    "validation_fraction": (None, 0.5),
    "warm_start": (False, True),
    "random_state": (0, 7),
}


def global_states():
    """What belongs to the whole process, and no call may move."""
    return (
        random.getstate(),
        pickle.dumps(np.random.get_state()),
        torch.get_rng_state().numpy().tobytes(),
        torch.is_grad_enabled(),
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        np.geterr(),
        os.getcwd(),
    )
