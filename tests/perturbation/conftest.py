"""What the tests of perturbations share."""

import numpy as np

from tsdistill.perturbation.plan import draw_plan


def plan_of(n_instances=30, n_timepoints=20, groups=None, **settings):
    rng = np.random.default_rng(0)
    panel = rng.normal(size=(n_instances, 2, n_timepoints)).astype(np.float32)
    groups = np.arange(n_instances) % 3 if groups is None else groups
    settings = {"width": 5, "n_windows": 6, "donors": "opposing", "rng": rng} | settings
    return draw_plan(panel, groups, **settings), panel, groups
