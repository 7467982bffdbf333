"""What was measured for a demand, and bounds of it that hold for any distribution."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from tsdistill.fidelity.betting import calibration_bounds, mean_bounds
from tsdistill.fidelity.calibration import calibration_error
from tsdistill.swap.risk import upper_bound

LOW, HIGH = 0, 1


class Found:
    """Base of what can be found for a demand.

    Attributes
    ----------
    measured : float, int or None
        None if nothing could be measured.
    n : int or None
        Number of series on which it rests; None where more series would change nothing.
    about : str
        What else is to be said of these series.
    kind_of_series : str
        Of which series more would help.
    """

    about = ""
    kind_of_series = "series"

    @property
    def n_all(self):
        """Number of all series, of which more would help."""
        return self.n

    def source(self, side, confidence):
        """What decides the bound on a side, LOW or HIGH."""
        return self

    def bounds(self, confidence, times=1.0):
        """A lower and an upper bound, each of which holds with the probability ``confidence``.

        Parameters
        ----------
        confidence : float in (0, 1)
        times : float, default=1
            Gives the bounds that so many times as many series like these would give.

        Returns
        -------
        low, high : float
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Share(Found):
    """A share of series: exact bounds (Clopper-Pearson).

    Attributes
    ----------
    n_successes, n : int
        A share of no series has the bounds 0 and 1.
    """

    n_successes: int
    n: int
    about: str = ""

    @property
    def measured(self):
        return self.n_successes / self.n if self.n else None

    def bounds(self, confidence, times=1.0):
        k, n = times * self.n_successes, times * self.n
        return 1 - float(upper_bound(n - k, n, confidence)), float(upper_bound(k, n, confidence))


@dataclass(frozen=True)
class ShareOfEachClass(Found):
    """The smallest of the shares of several classes.

    All classes have to reach a lower limit. The probability that all their lower bounds do,
    although one class does not reach it, is at most that of an error for this class, so lower
    bounds need no correction (an intersection-union test). One class suffices to break the
    demand, so the upper bounds share the probability of an error (Bonferroni).

    Attributes
    ----------
    shares : tuple of Share
        One for each class.
    """

    shares: tuple
    kind_of_series = "series of all classes"

    @property
    def n_all(self):
        return sum(share.n for share in self.shares)

    n = n_all

    def _of_all(self, side, confidence, times=1.0):
        level = 1 - (1 - confidence) / len(self.shares) if side == HIGH else confidence
        return [share.bounds(level, times)[side] for share in self.shares]

    def source(self, side, confidence):
        bounds = self._of_all(side, confidence)
        return self.shares[bounds.index(min(bounds))]

    def bounds(self, confidence, times=1.0):
        low, high = (min(self._of_all(side, confidence, times)) for side in (LOW, HIGH))
        return low, high


@dataclass(frozen=True)
class NetShare(Found):
    """The share of some series minus that of others: two exact bounds share the error.

    Attributes
    ----------
    n_plus, n_minus, n : int
    """

    n_plus: int
    n_minus: int
    n: int

    @property
    def measured(self):
        return (self.n_plus - self.n_minus) / self.n

    def bounds(self, confidence, times=1.0):
        level = (1 + confidence) / 2
        plus, minus = (Share(k, self.n).bounds(level, times) for k in (self.n_plus, self.n_minus))
        return plus[LOW] - minus[HIGH], plus[HIGH] - minus[LOW]


@dataclass(frozen=True)
class Mean(Found):
    """A mean of values with known limits: bounds by betting.

    Attributes
    ----------
    values : ndarray of shape (n_instances,)
    lowest, highest : float
    """

    values: np.ndarray
    lowest: float
    highest: float
    about: str = ""
    kind_of_series: str = "series"

    @property
    def measured(self):
        return float(np.mean(self.values))

    @property
    def n(self):
        return len(self.values)

    def bounds(self, confidence, times=1.0):
        return mean_bounds(self.values, self.lowest, self.highest, confidence, times)


@dataclass(frozen=True)
class Calibration(Found):
    """A calibration error: bounds by betting.

    Attributes
    ----------
    sure, right : ndarray of shape (n_instances,)
        Probability of the predicted class, and whether the prediction is right.
    n_classes : int
    """

    sure: np.ndarray
    right: np.ndarray
    n_classes: int

    @property
    def measured(self):
        return float(calibration_error(self.sure, self.right))

    @property
    def n(self):
        return len(self.sure)

    def bounds(self, confidence, times=1.0):
        return calibration_bounds(self.sure, self.right, self.n_classes, confidence, times)


@dataclass(frozen=True)
class Counted(Found):
    """A number that is known, not estimated."""

    measured: int
    n = None

    def bounds(self, confidence, times=1.0):
        return self.measured, self.measured


@dataclass(frozen=True)
class Median(Found):
    """A median of durations: bounds from their order, which are exact if they are independent.

    Attributes
    ----------
    durations : sequence of float
    """

    durations: tuple
    n = None

    @property
    def measured(self):
        return float(np.median(self.durations))

    def bounds(self, confidence, times=1.0):
        n = len(self.durations)
        k = int(binom.ppf(1 - confidence, n, 0.5))
        ordered = [-np.inf, *sorted(self.durations), np.inf]
        return ordered[k], ordered[n + 1 - k]


@dataclass(frozen=True)
class Unknown(Found):
    """Nothing could be measured.

    Attributes
    ----------
    reason : str
        Why, and what to do.
    """

    reason: str
    measured = n = None

    def bounds(self, confidence, times=1.0):
        return -np.inf, np.inf
