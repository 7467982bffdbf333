"""What a SwapContract may demand: the list of demands, their codes, and checks of their limits."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_count, check_positive, is_number, shown
from tsdistill.teachers.adapters import PROBABILITY_FLOOR

Relation: TypeAlias = Literal[">=", "<="]
MOST_NATS = float(-np.log(PROBABILITY_FLOOR))
"""What a series counts at most in a mean KL: no bound holds for means without a limit."""
TEACHER, LABELS = "the teacher's answers", "y"


@dataclass(frozen=True)
class Demand:
    """One kind of demand.

    Attributes
    ----------
    code : str
        It stays the same in every version.
    name : str
        The argument of :class:`tsdistill.SwapContract`.
    title : str
        What is measured, for people.
    at_least : bool
        Whether the limit is a lower one.
    lowest, highest : float or None
        The limit lies between them, both excluded; None for a size or a duration.
    needs : tuple of str
        What it is measured on.
    """

    code: str
    name: str
    title: str
    at_least: bool = False
    lowest: float | None = None
    highest: float | None = None
    needs: tuple = ()

    @property
    def relation(self) -> Relation:
        """How the measure is to stand to the limit."""
        return ">=" if self.at_least else "<="

    def check(self, limit: float) -> None:
        """Raise ParameterError unless a limit can be kept by some students and not by others."""
        if self.highest is None:
            (check_positive if self.name == "us_one_series" else check_count)(self.name, limit)
        elif not (is_number(limit) and self.lowest < limit < self.highest):
            raise ParameterError(
                f"{self.name}={shown(limit)}; expected a number between {self.lowest:g} and "
                f"{self.highest:.4g}, both excluded: no number of series shows more."
            )


DEMANDS: dict[str, Demand] = {
    demand.name: demand
    for demand in (
        Demand("TSD101", "agreement", "same prediction as the teacher", True, 0, 1, (TEACHER,)),
        Demand("TSD102", "kl", "KL(teacher || student), nats", False, 0, MOST_NATS, (TEACHER,)),
        Demand("TSD103", "js", "Jensen-Shannon divergence, nats", False, 0, np.log(2), (TEACHER,)),
        Demand(
            "TSD104", "class_agreement", "same prediction, in every class of the teacher",
            True, 0, 1, (TEACHER,),
        ),
        Demand(
            "TSD201", "saliency", "correlation of the saliency maps", True, -1, 1, (TEACHER,)
        ),
        Demand(
            "TSD301", "negative_flips", "teacher alone is right", False, 0, 1, (TEACHER, LABELS)
        ),
        Demand(
            "TSD302", "net_accuracy", "student's accuracy minus the teacher's",
            True, -1, 1, (TEACHER, LABELS),
        ),
        Demand("TSD303", "ece", "student's calibration error", False, 0, 1, (LABELS,)),
        Demand("TSD401", "weights", "weights of the student"),
        Demand("TSD402", "constant_bytes", "bytes of constants, in flash"),
        Demand("TSD403", "memory_bytes", "bytes of memory for one series"),
        Demand("TSD404", "multiplications", "multiplications for one series"),
        Demand("TSD405", "us_one_series", "median microseconds for one series, here"),
    )
}  # fmt: skip
"""By name, in the order of their codes."""


def check_demands(limits: dict[str, float]) -> None:
    """Raise ParameterError if a limit is out of range, or two contradict each other.

    Parameters
    ----------
    limits : dict of str to number
        Of the demands that are made.
    """
    if not limits:
        raise ParameterError(
            f"the contract demands nothing; expected at least one of {', '.join(DEMANDS)}."
        )
    for name, limit in limits.items():
        DEMANDS[name].check(limit)
    for name in ("agreement", "class_agreement"):
        gain, share = limits.get("net_accuracy"), limits.get(name)
        if gain is not None and share is not None and gain > 1 - share:
            raise ParameterError(
                f"net_accuracy={gain} contradicts {name}={share}: a student that differs from its "
                f"teacher on a share of {1 - share:.4g} at most cannot be right more often by "
                "more than that; lower one of them."
            )
