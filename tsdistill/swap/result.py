"""ContractResult: what came out of the check of a contract, as evidence to file."""

from __future__ import annotations

import datetime
import json
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from tsdistill._version import __version__
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.files import check_folder, write_whole
from tsdistill.inputs.types import Path
from tsdistill.swap.verdict import BROKEN, KEPT, UNDECIDED, Line, Status

if TYPE_CHECKING:
    import pandas as pd

RESULT_FORMAT = 1
PACKAGES = ("numpy", "torch", "scikit-learn")


@dataclass(frozen=True, eq=False, repr=False)
class ContractResult:
    """Which demands a student keeps, with the numbers that show it.

    Made by :meth:`tsdistill.SwapContract.check`.

    Parameters
    ----------
    lines : tuple of Line
        One for each demand, in the order of their codes, see
        :class:`tsdistill.swap.verdict.Line`.
    confidence : float
        Of each bound, one-sided.
    n_series : int
        Number of series in X.
    contract : str
        The contract, as TOML.
    meta : dict of str to str
        That of the contract.
    student : dict
        Its "network", number of "weights", "bits" of each, and "classes".
    digests : dict of str to str
        SHA-256 of the "series", the "labels", the "student" (its weights) and the
        "teacher_answers", see :mod:`tsdistill.swap.digests`.
    versions : dict of str to str
        Of tsdistill, Python, numpy, torch and scikit-learn.
    date : str
        When it was checked: ISO 8601, UTC.

    See Also
    --------
    tsdistill.SwapContract : What is demanded.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktime.datasets import load_italy_power_demand
    >>> from tsdistill import SaliencyDistilledClassifier, SwapContract
    >>> X, y = load_italy_power_demand(split="train", return_type="numpyflat")
    >>> teacher = LogisticRegression(max_iter=1000).fit(X, y)
    >>> settings = {"max_epochs": 5, "n_mixtures": 0, "random_state": 0}  # for this example
    >>> student = SaliencyDistilledClassifier(teacher, **settings).fit(X, y)
    >>> result = SwapContract(weights=9_000, multiplications=1_000).check(student, X)
    >>> result.passed, result.verdict
    (False, 'The contract is broken: of 2 demands 1 kept, 1 broken, 0 undecided, on 67 series.')
    >>> result.to_frame()["status"].to_dict()
    {'TSD401': 'kept', 'TSD404': 'broken'}
    """

    lines: tuple[Line, ...]
    confidence: float
    n_series: int
    contract: str
    meta: dict[str, str]
    student: dict[str, Any]
    digests: dict[str, str]
    versions: dict[str, str]
    date: str

    @property
    def status(self) -> Status:
        """Either "kept", if all demands are; or "broken", if one is; or "undecided"."""
        found = {line.status for line in self.lines}
        return next(status for status in (BROKEN, UNDECIDED, KEPT) if status in found)

    @property
    def passed(self) -> bool:
        """Whether all demands are kept."""
        return self.status == KEPT

    @property
    def verdict(self) -> str:
        """One sentence on all demands."""
        counts = [
            f"{sum(line.status == status for line in self.lines)} {status}"
            for status in (KEPT, BROKEN, UNDECIDED)
        ]
        return (
            f"The contract is {self.status}: of {len(self.lines)} demands {', '.join(counts)}, "
            f"on {self.n_series:,} series."
        )

    def __repr__(self) -> str:
        return f"<ContractResult: {self.status}, {len(self.lines)} demands; print it>"

    def __str__(self) -> str:
        return "\n".join([self.verdict, *(f"  {line.status:<10}{line}" for line in self.lines)])

    def to_frame(self) -> pd.DataFrame:
        """Show the lines as a table.

        Returns
        -------
        pandas.DataFrame
            One row for each demand, by its code; columns ``name``, ``status``, ``relation``,
            ``demand``, ``measured``, ``bound``, ``n_series``, ``n_to_settle`` and ``message``;
            NaN if there is no such number.
        """
        import pandas as pd

        numbers = ["demand", "measured", "bound", "n_series", "n_to_settle"]
        columns = ["name", "status", "relation", *numbers, "message"]
        rows = [[getattr(line, name) for name in columns] for line in self.lines]
        codes = pd.Index([line.code for line in self.lines], name="code")
        frame = pd.DataFrame(rows, index=codes, columns=columns)
        typed: pd.DataFrame = frame.astype(dict.fromkeys(numbers, float))
        return typed

    def to_json(self, path: Path) -> None:
        """Write everything to a JSON file.

        Parameters
        ----------
        path : str or path
            An existing file is replaced, but not if writing fails. The folder has to exist.
        """
        check_folder(path)
        content = {
            "format": RESULT_FORMAT,
            "status": self.status,
            "passed": self.passed,
            "date": self.date,
            "confidence": self.confidence,
            "n_series": self.n_series,
            "lines": [asdict(line) for line in self.lines],
            **{
                name: getattr(self, name)
                for name in ("meta", "student", "digests", "versions", "contract")
            },
        }
        write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")

    def to_junit(self, path: Path, *, name: str = "tsdistill contract") -> None:
        """Write the lines as an XML file in JUnit's form, which CI systems show.

        A broken demand is a failure. An undecided one is an error, so that no pipeline takes it
        for kept.

        Parameters
        ----------
        path : str or path
            See :meth:`to_json`.
        name : str, default="tsdistill contract"
            Name of the suite of tests.
        """
        from tsdistill.swap.result_files import junit_of

        _check_text("name", name)
        check_folder(path)
        write_whole(path, junit_of(self, name))

    def to_html(self, path: Path, *, title: str = "Swap contract") -> None:
        """Write the result as one self-contained HTML page.

        Parameters
        ----------
        path : str or path
            See :meth:`to_json`.
        title : str, default="Swap contract"
            Title of the page.
        """
        from tsdistill.swap.result_files import page_of_result

        _check_text("title", title)
        check_folder(path)
        write_whole(path, page_of_result(self, title))


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide what it computes."""
    installed = {name: metadata.version(name) for name in PACKAGES}
    return {"tsdistill": __version__, "python": platform.python_version(), **installed}


def now() -> str:
    """The time, ISO 8601, UTC."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ParameterError(f"{name}={value!r}; expected a str.")
