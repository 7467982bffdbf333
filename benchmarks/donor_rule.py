"""Which window of a donor of another length takes the place of a series' window?

    python benchmarks/donor_rule.py run --data-dir DIR --csv donor_rule.csv
    python benchmarks/donor_rule.py tables --csv donor_rule.csv

"stretched", the package's rule: the donor is resampled to the length of the series, and the same
timesteps are taken. "cut out": as many timesteps of the donor as it is, at the same relative place.
MiniRocket on series resampled to one length, with a ridge classifier; students by the default. The
figures are those of ``uneven.py``; its saliency, by occlusion with the mean, uses no donor.
"""

import argparse
import contextlib
import pathlib
from unittest import mock

import pandas as pd
import torch
from joblib import Parallel, delayed
from uneven import KEY, run

from tsdistill.perturbation import copies as copies_module
from tsdistill.perturbation import uneven
from tsdistill.students.masking import lengths_of
from tsdistill.training import steps

SETS = ["PickupGestureWiimoteZ", "GesturePebbleZ1", "AllGestureWiimoteX"]
FIGURES = ["accuracy", "agreement", "KL", "saliency"]


def cut_out_copies(series, donors, donor, start, width, some_own=True):
    """Copies as :func:`uneven.uneven_copies` makes them, with windows cut out of donors."""
    flat = series.reshape(-1, *series.shape[-2:])
    lengths = lengths_of(flat).reshape(series.shape[:-2])
    rows = donor.clamp_min(0)
    donor_lengths = lengths_of(donors)[rows]
    free, donor_free = lengths - width, (donor_lengths - width).clamp_min(0)
    relative = torch.where(free > 0, start / free.clamp_min(1), 0.0)
    donor_start = (relative * donor_free).round().long()
    time = torch.arange(series.shape[-1], device=series.device)
    place = (time - start[..., None] + donor_start[..., None]).clamp_min(0)
    place = torch.minimum(place, (donor_lengths - 1)[..., None]).unsqueeze(-2)
    replaced = donors[rows].gather(-1, place.expand(*place.shape[:-2], *series.shape[-2:]))
    inside = ((time >= start[..., None]) & (time < (start + width)[..., None])).unsqueeze(-2)
    own = uneven.uneven_copies(series, donors, donor, start, width, some_own)
    copies = torch.where(inside & (donor >= 0)[..., None, None], replaced, own)
    return torch.where(torch.isnan(copies).all(dim=-1, keepdim=True), series, copies)


@contextlib.contextmanager
def rule(name):
    """Context in which windows are taken by a rule."""
    if name == "stretched":
        yield
        return
    with contextlib.ExitStack() as stack:
        for module in (copies_module, steps):
            stack.enter_context(mock.patch.object(module, "uneven_copies", cut_out_copies))
        yield


def run_rule(name, seed, donors, options):
    """The figures of one student."""
    with rule(donors):
        (row,) = run("minirocket", name, 0.0, seed, options)
    return row | {"arm": donors}


def run_all(options):
    """Run what the CSV file does not hold yet."""
    done = set()
    if options.csv.exists():
        table = pd.read_csv(options.csv)
        done = set(table[["set", "seed", "arm"]].itertuples(index=False, name=None))
    jobs = [
        (name, seed, donors)
        for seed in range(options.seeds)
        for name in options.sets
        for donors in ("stretched", "cut out")
        if (name, seed, donors) not in done
    ]
    rows = Parallel(n_jobs=options.n_jobs, return_as="generator_unordered")(
        delayed(run_rule)(*job, options) for job in jobs
    )
    for row in rows:
        table = pd.DataFrame([row])[[*KEY, *FIGURES]]
        table.to_csv(options.csv, mode="a", index=False, header=not options.csv.exists())
        print(table.round(4).to_string(index=False, header=False), flush=True)


def tables(options):
    """Print means over the seeds that both rules have."""
    runs = pd.read_csv(options.csv)
    both = runs.groupby(["set", "seed"])["arm"].transform("nunique") == 2
    runs = runs[both]
    print(runs.groupby(["set", "arm"])[FIGURES].mean().round(4).to_string())
    print(runs.groupby("set")["seed"].nunique().rename("seeds").to_string())


def main():
    """Read the arguments, run or print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running, printing = commands.add_parser("run"), commands.add_parser("tables")
    for one in (running, printing):
        one.add_argument("--csv", required=True, type=pathlib.Path)
    running.add_argument("--data-dir", required=True, help="folder of the sets")
    running.add_argument("--sets", nargs="+", default=SETS)
    running.add_argument("--seeds", type=int, default=2)
    running.add_argument("--n-jobs", type=int, default=2)
    running.add_argument("--max-epochs", type=int, help="default: the estimator's")
    running.set_defaults(arms=["default"], teacher_epochs=None)
    options = parser.parse_args()
    {"run": run_all, "tables": tables}[options.command](options)


if __name__ == "__main__":
    main()
