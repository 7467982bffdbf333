"""Are the promises of DeferringClassifier kept, also by students that are good for nothing?

Draws calibration series from populations whose true risks are known, lets the promises choose the
threshold, and counts how often one of them is broken: at most 5 % of the repetitions may, with the
default confidence of 95 %. Each population is a student: how unsure it is, how often it differs
from its teacher, for which class of the teacher, and how often its maps are unlike. Many lie just
above the limit, where a promise is broken most easily. No network is trained. Two figures a cell:
the share of repetitions with a broken promise, and the mean share of series answered alone, both in
per cent. "-": too few series of a class in all repetitions, which is refused.

    python benchmarks/promises.py --repetitions 10000
"""

import argparse
import zlib
from dataclasses import dataclass

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.swap.promises import CalibrationAnswers, Promises

LIMIT, CONFIDENCE = 0.05, 0.95
N_GRID = 4000
TOO_BAD = 1.02 * LIMIT


@dataclass(frozen=True)
class Population:
    """What a student does on all series, in ascending order of its uncertainty.

    Attributes
    ----------
    uncertainty : ndarray of shape (n_grid,)
    second : float
        Share of series for which the teacher names the second of two classes.
    differs : ndarray of shape (n_grid, 2)
        Probability of a disagreement, given the teacher's class.
    unlike : ndarray of shape (n_grid,)
        Probability that the maps are unlike.
    n_instances : int
        Calibration series in a repetition.
    """

    uncertainty: np.ndarray
    second: float
    differs: np.ndarray
    unlike: np.ndarray
    n_instances: int

    def draw(self, rng, with_maps):
        """The answers of both models for calibration series, drawn independently."""
        row = rng.integers(N_GRID, size=self.n_instances)
        second = rng.random(self.n_instances) < self.second
        uncertainty = self.uncertainty[row]
        answered = np.isfinite(uncertainty)
        differs = rng.random(self.n_instances) < self.differs[row, second.astype(int)]
        unlike = (rng.random(self.n_instances) < self.unlike[row]) & answered
        named = {"a": ~second, "b": second}
        return CalibrationAnswers(
            uncertainty, differs & answered, named, unlike if with_maps else None
        )

    def true_risks(self):
        """The risk behind each promise, by the number of grid points answered alone."""
        n_alone = np.arange(N_GRID + 1)
        of_class = np.vstack([np.zeros(2), np.cumsum(self.differs, axis=0)]) / N_GRID
        of_all = of_class @ [1 - self.second, self.second]
        return {
            "all": of_all,
            "answered": N_GRID * of_all / np.maximum(n_alone, 1),
            "class": of_class.max(axis=1),
            "saliency": np.append(0.0, np.cumsum(self.unlike)) / N_GRID,
        }


def population(differs, *, unlike=0.0, second=0.3, n_instances=300, rounded=False, silent=0.0):
    """A population from risks as functions of the rank, a number from 0 to 1, of uncertainty."""
    rank = (np.arange(N_GRID) + 0.5) / N_GRID
    values = [risk(rank) if callable(risk) else risk for risk in np.broadcast_to(differs, 2)]
    uncertainty = (4 * rank).round() / 8 if rounded else rank / 2
    uncertainty = np.where(rank > 1 - silent, np.inf, uncertainty)
    return Population(
        uncertainty,
        second,
        np.stack([np.broadcast_to(value, N_GRID) for value in values], axis=1),
        np.broadcast_to(unlike(rank) if callable(unlike) else unlike, N_GRID),
        n_instances,
    )


def waves(rank):
    """A risk that rises and falls, and with it that of the answered series around the limit."""
    return np.where((8 * rank).astype(int) % 2, 0.2 * LIMIT, 1.9 * LIMIT)


STUDENTS = {
    "good": population(lambda rank: 0.5 * rank**4, unlike=lambda rank: 0.4 * rank**4),
    "useless: uncertainty says nothing": population(0.3, unlike=0.3),
    "the surer the worse": population(lambda rank: 0.5 * (1 - rank), unlike=lambda rank: 1 - rank),
    "never differs": population(0.0),
    "just too bad": population(TOO_BAD, unlike=TOO_BAD),
    "right, for just too many other reasons": population(0.0, unlike=TOO_BAD),
    "just too bad for one class": population((0.0, TOO_BAD)),
    "just too bad for a rare class": population((0.0, TOO_BAD), second=0.1, n_instances=900),
    "risk in waves": population(waves, unlike=waves),
    "risk in waves, five values": population(waves, rounded=True),
    "just too bad, five values": population(TOO_BAD, unlike=TOO_BAD, rounded=True),
    "no answer to a third": population(TOO_BAD, unlike=TOO_BAD, silent=1 / 3),
    "just too bad, 80 series": population(TOO_BAD, unlike=TOO_BAD, n_instances=80),
}
PROMISES = {
    "all": (("all",), None),
    "answered": (("answered",), None),
    "class": (("class",), None),
    "reasons": (("all",), 0.8),
    "every one": (("all", "answered", "class"), 0.8),
}


def simulate(student, promised, n_repetitions, seed=0):
    """How often a promise is broken, and how many series are answered alone.

    Parameters
    ----------
    student : str
        A key of ``STUDENTS``.
    promised : str
        A key of ``PROMISES``.
    n_repetitions : int
    seed : int, default=0

    Returns
    -------
    broken, alone : float
        Shares of the repetitions, and mean share of series. NaN if all were refused.
    """
    drawn, (names, min_saliency) = STUDENTS[student], PROMISES[promised]
    rng = np.random.default_rng([seed, zlib.crc32(f"{student}, {promised}".encode())])
    promises = Promises(names, LIMIT, CONFIDENCE, min_saliency, LIMIT)
    risks = drawn.true_risks()
    risks = [risks[name] for name in (*names, *(["saliency"] if min_saliency else []))]
    broken, alone = [], []
    for _ in range(n_repetitions):
        answers = drawn.draw(rng, min_saliency is not None)
        try:
            promises.check_enough_of_each_class(answers.named)
        except ParameterError:
            continue
        largest = promises.largest_uncertainty(answers)
        n_alone = np.searchsorted(drawn.uncertainty, largest, side="right")
        broken.append(max(risk[n_alone] for risk in risks) > LIMIT * (1 + 1e-9))
        alone.append(n_alone / N_GRID)
    return (np.mean(broken), np.mean(alone)) if broken else (np.nan, np.nan)


def main():
    """Simulate every student with every promise, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"broken / answered alone, in % ({options.repetitions:,} repetitions)")
    print(f"{'student':40}" + "".join(f"{name:>14}" for name in PROMISES))
    for student in STUDENTS:
        row = [simulate(student, name, options.repetitions, options.seed) for name in PROMISES]
        cells = ["-" if np.isnan(broken) else f"{100 * broken:.1f} / {100 * alone:.0f}"
                 for broken, alone in row]  # fmt: skip
        print(f"{student:40}" + "".join(f"{cell:>14}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
