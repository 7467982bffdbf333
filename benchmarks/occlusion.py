"""Time and memory of a student's occlusion maps, compared with captum's.

Explains 64 series of 500 timesteps with the default student, alternating with captum's
``Occlusion`` at several values of ``perturbations_per_eval``, of which the fastest counts. Prints
the largest difference of the values, then the peak memory for growing numbers of series.

    python benchmarks/occlusion.py
"""

import argparse
import pathlib
import re
import resource
import subprocess
import sys
import time

import numpy as np
import torch
from captum.attr import Occlusion

from tsdistill.explainers.occlusion import STARTS_A_WINDOW, occlusion
from tsdistill.students import Lite
from tsdistill.teachers.teacher import as_teacher

N_SERIES, N_TIMEPOINTS, WIDTH = 64, 500, 60  # at this width, both libraries place windows alike
PERTURBATIONS_PER_EVAL = (1, 2, 4, 8, 16, 23)


def make_inputs(n_series, n_donors=8, n_classes=2):
    """Make a default student, series, targets, donors, and the rows of donors for each class."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = Lite().build(1, N_TIMEPOINTS, n_classes).eval()
    panel = rng.standard_normal((n_series, 1, N_TIMEPOINTS), dtype=np.float32).cumsum(axis=2)
    donors = rng.standard_normal((n_donors, 1, N_TIMEPOINTS), dtype=np.float32).cumsum(axis=2)
    target = rng.integers(n_classes, size=n_series)
    rows = np.tile(np.arange(n_donors), (n_classes, 1))
    return network, panel / 10, target, donors / 10, rows


def captum_maps(network, panel, target, donors, per_eval):
    """Maps by captum, averaged over donors."""

    def score(series):
        z = network(series)
        return z - z.mean(dim=1, keepdim=True)

    explain, maps = Occlusion(score), 0
    with torch.no_grad():
        for donor in donors:
            maps = maps + explain.attribute(
                torch.from_numpy(panel),
                sliding_window_shapes=(1, WIDTH),
                strides=(1, WIDTH // STARTS_A_WINDOW),
                baselines=torch.from_numpy(donor[None]),
                target=torch.from_numpy(target),
                perturbations_per_eval=per_eval,
            )
    return (maps / len(donors))[:, 0].numpy()


def compare(n_donors, rounds):
    """Print seconds and their ratio for ``n_donors`` donors."""
    network, panel, target, donors, rows = make_inputs(N_SERIES, n_donors)
    model = as_teacher(network).bind(panel)

    def ours():
        return occlusion(model, panel, target, donors, rows, WIDTH)

    expected = captum_maps(network, panel, target, donors, 4)
    error = np.abs(ours() - expected).max() / np.abs(expected).max()
    seconds = {"ours": [], **{n: [] for n in PERTURBATIONS_PER_EVAL}}
    for _ in range(rounds):
        for n in PERTURBATIONS_PER_EVAL:
            for who, call in (
                ("ours", ours),
                (n, lambda n=n: captum_maps(network, panel, target, donors, n)),
            ):
                start = time.perf_counter()
                call()
                seconds[who].append(time.perf_counter() - start)
    median = {who: np.median(found) for who, found in seconds.items()}
    best = min(PERTURBATIONS_PER_EVAL, key=median.get)
    ours_by_round = np.array(seconds["ours"]).reshape(rounds, len(PERTURBATIONS_PER_EVAL))
    ours_beside_best = ours_by_round[:, PERTURBATIONS_PER_EVAL.index(best)]
    ratio = np.median(np.array(seconds[best]) / ours_beside_best)
    print(f"{n_donors} donor(s): ours {median['ours']:.3f} s; captum "
          + ", ".join(f"{n}: {median[n]:.3f}" for n in PERTURBATIONS_PER_EVAL)
          + f" s; captum at its best ({best}) takes {ratio:.2f} x ours; largest relative "
          f"difference {error:.1e}")  # fmt: skip


def peak(n_series):
    """Peak memory of this process in MB, before and after explaining ``n_series`` series."""
    network, panel, target, donors, rows = make_inputs(n_series)
    model = as_teacher(network).bind(panel)
    occlusion(model, panel[:8], target[:8], donors, rows, WIDTH)
    before = peak_so_far()
    occlusion(model, panel, target, donors, rows, WIDTH)
    return before, peak_so_far()


def peak_so_far():
    """Peak memory of this process so far, in MB."""
    # VmHWM, because the ru_maxrss of a child process may be its parent's.
    status = pathlib.Path("/proc/self/status")
    if not status.exists():  # not on Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024


def main():
    """Read the arguments, compare, measure memory."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", type=int, help="only print the peak memory for this many series")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.peak:
        before, after = peak(options.peak)
        print(f"{options.peak} series: peak {before:.0f} MB before, {after:.0f} MB after")
        return
    for n_donors in (1, 8):
        compare(n_donors, options.rounds)
    for n in (64, 512, 4096):
        subprocess.run([sys.executable, __file__, "--peak", str(n)], check=True)


if __name__ == "__main__":
    main()
