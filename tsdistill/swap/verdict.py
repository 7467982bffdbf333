"""A line of a contract's result: whether a demand is kept, broken, or cannot be decided yet."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tsdistill.swap.bounds import HIGH, LOW, Counted, Found, Median, Unknown
from tsdistill.swap.demands import Demand, Relation

Status: TypeAlias = Literal["kept", "broken", "undecided"]
KEPT: Literal["kept"] = "kept"
BROKEN: Literal["broken"] = "broken"
UNDECIDED: Literal["undecided"] = "undecided"
MOST_TIMES = 2.0**20
MOST_DIGITS = 16


@dataclass(frozen=True)
class Line:
    """The result for one demand.

    Parameters
    ----------
    code, name : str
        Such as "TSD101" and "agreement"; a code stays the same in every version.
    title : str
        What is measured, for people.
    relation : {">=", "<="}
        How the measure is to stand to the limit.
    demand : float or int
        The limit.
    measured : float, int or None
        None if nothing could be measured.
    bound : float, int or None
        What is shown at the confidence of the contract: for a demand that is broken the bound on
        the other side of the limit, else the one on the side that is demanded. None if there is
        none.
    status : {"kept", "broken", "undecided"}
        Whether the series show that the demand holds, that it does not, or neither.
    n_series : int or None
        On how many series it rests; None for sizes and durations.
    n_to_settle : int or None
        About how many series would settle an undecided line, if they are like these.
    message : str
        All of this as a sentence.

    See Also
    --------
    tsdistill.swap.result.ContractResult : Has a line for each demand.

    Examples
    --------
    >>> from tsdistill.swap.bounds import Counted
    >>> from tsdistill.swap.demands import DEMANDS
    >>> line = judge(DEMANDS["weights"], 9_000, Counted(8_794), 0.95)
    >>> line.status, str(line)
    ('kept', 'TSD401 weights: demanded <= 9,000, counted 8,794')
    """

    code: str
    name: str
    title: str
    relation: Relation
    demand: float
    measured: float | None
    bound: float | None
    status: Status
    n_series: int | None
    n_to_settle: int | None
    message: str

    def __str__(self) -> str:
        return f"{self.code} {self.name}: {self.message}"


def judge(demand: Demand, limit: float, found: Found, confidence: float) -> Line:
    """Compare what was found with a limit.

    Parameters
    ----------
    demand : Demand
    limit : float or int
    found : Found
    confidence : float in (0.5, 1)

    Returns
    -------
    line : Line
    """
    bounds = found.bounds(confidence)
    status, side = _decided(demand, limit, bounds)
    bound = bounds[side]
    source = found.source(side, confidence)
    needed = None
    if status == UNDECIDED and found.n:
        needed = _series_to_settle(demand, limit, found, confidence)
    message = f"demanded {demand.relation} {limit:,.10g}"
    if isinstance(found, Unknown):
        message += f", not measured: {found.reason}"
    elif isinstance(found, Counted):
        message += f", counted {found.measured:,}"
    elif source.n == 0:
        message += f", not measured: there are no series {source.about}; pass some"
    else:
        relation = _relation(side, status)
        message += (
            f", shown {relation} {_outward(bound, side, limit)} at {100 * confidence:.10g} %"
            f"{_of_series(source)} ({_near(source.measured, limit)} measured)"
        )
        if status == UNDECIDED:
            message += f": {_what_would_settle_it(found, needed)}"
    return Line(
        demand.code, demand.name, demand.title, demand.relation, limit, source.measured,
        bound if math.isfinite(bound) else None, status, source.n, needed, message,
    )  # fmt: skip


def _decided(demand, limit, bounds):
    """The status, and the side of the bound that shows it."""
    demanded, other = (LOW, HIGH) if demand.at_least else (HIGH, LOW)
    sign = 1 if demand.at_least else -1
    if sign * bounds[demanded] >= sign * limit:
        return KEPT, demanded
    if sign * bounds[other] < sign * limit:
        return BROKEN, other
    return UNDECIDED, demanded


def _series_to_settle(demand, limit, found, confidence):
    """About how many series like these would settle a line; None if no number would."""

    def settled(times):
        return _decided(demand, limit, found.bounds(confidence, times))[0] != UNDECIDED

    low, high = 1.0, 2.0
    while not settled(high):
        low, high = high, 2 * high
        if high > MOST_TIMES:
            return None
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if settled(middle) else (middle, high)
    return _rounded_up(high * found.n_all)


def _rounded_up(number):
    """A whole number, rounded up to two digits."""
    unit = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return math.ceil(number / unit) * unit


def _relation(side, status):
    return (">" if side == LOW else "<") + "=" * (status != BROKEN)


def _of_series(source):
    if source.n is None:
        return ""
    return f" on {source.n:,} series" + (f" {source.about}" if source.about else "")


def _what_would_settle_it(found, needed):
    if isinstance(found, Median):
        return "measure again where less else is running"
    if needed is None:
        return "no number of series like these would settle it"
    return f"about {needed:,} {found.kind_of_series} would settle it"


def _near(value, limit):
    """A number with as few digits as tell it from the limit, three at least."""
    return _rounded(value, limit, round)


def _outward(bound, side, limit):
    """A bound, rounded so that it holds, and stands to the limit as the bound itself does."""
    return _rounded(bound, limit, math.floor if side == LOW else math.ceil)


def _rounded(value, limit, rounding):
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    for digits in range(3, MOST_DIGITS):
        unit = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits)
        rounded = float(f"{rounding(value / unit) * unit:.{digits}g}")
        if (rounded < limit, rounded > limit) == (value < limit, value > limit):
            break
    if abs(rounded) < 1000:
        return f"{rounded:.{digits}g}"
    return f"{rounded:,.{max(0, digits - len(str(int(abs(rounded)))))}f}"
