"""SwapContract: what a team demands of a student before it replaces its teacher."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from numpy.typing import ArrayLike

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import is_number, shown
from tsdistill.inputs.types import Path, RandomSource, Series
from tsdistill.swap.contract_file import read_contract, written_contract
from tsdistill.swap.contract_inputs import GivenAnswers
from tsdistill.swap.demands import DEMANDS, check_demands
from tsdistill.swap.evidence import Evidence
from tsdistill.swap.result import ContractResult, now, versions
from tsdistill.swap.verdict import judge
from tsdistill.teachers.types import TeacherLike


@dataclass(frozen=True, kw_only=True, repr=False)
class SwapContract:
    """What a student has to show before it replaces its teacher.

    A demand is *kept* if the series show it with the given confidence: not the measured number
    has to clear the limit, but its bound. It is *broken* if the bound on the other side shows
    the opposite, and *undecided* if the limit lies between the two; the result then says about
    how many series would settle it.

    Parameters
    ----------
    agreement : float in (0, 1), default=None
        Least share of series with the same prediction as the teacher. None, here and below: not
        demanded.
    kl : float in (0, 9.21), default=None
        Largest mean KL(teacher || student) in nats. A series counts 9.21 at most, which is minus
        the log of 1e-4, the smallest probability that a teacher is taken to give.
    js : float in (0, 0.693), default=None
        Largest mean Jensen-Shannon divergence in nats. No series can have more than log 2, so
        that far fewer series show a small one than a small KL.
    class_agreement : float in (0, 1), default=None
        Least share of series with the same prediction, in every class that the teacher predicts.
        Every class of the student has to occur.
    saliency : float in (-1, 1), default=None
        Least mean correlation of both models' occlusion maps, for the class that the teacher
        predicts, with a baseline on which the student was not trained.
    negative_flips : float in (0, 1), default=None
        Largest share of series for which the teacher is right and the student is wrong. Needs y.
    net_accuracy : float in (-1, 1), default=None
        Least difference of the student's accuracy to the teacher's: -0.01 allows one series in a
        hundred. Needs y.
    ece : float in (0, 1), default=None
        Largest expected calibration error of the student, with ten bins. Needs y.
    weights : int, default=None
        Most weights of the student.
    constant_bytes, memory_bytes, multiplications : int, default=None
        Most bytes in flash and in memory, and most multiplications for one series, as
        :meth:`~tsdistill.SaliencyDistilledClassifier.student_costs` counts them.
    us_one_series : float, default=None
        Largest median duration of an answer to one series in microseconds, where the contract is
        checked.
    confidence : float in [0.5, 1), default=0.95
        Of each bound, one-sided.
    meta : dict of str to str, default=None
        What else the evidence should hold, such as names and versions.

    Raises
    ------
    ParameterError
        If a limit is out of range, two contradict each other, or nothing is demanded.

    See Also
    --------
    DeferringClassifier : Keeps a promise by asking the teacher where the student is not sure.
    size_path : Finds the smallest student that meets demands.

    Notes
    -----
    No bound rests on an approximation for many series. They hold if the series are drawn as
    future ones will be, and neither model was trained on any of them:

    * Shares have exact bounds (Clopper-Pearson). The difference of two shares, ``net_accuracy``,
      combines an exact bound of each with half the error.
    * ``class_agreement`` is kept if the lower bound of every class clears the limit, which needs
      no correction (an intersection-union test). It is broken if the upper bound of one class does
      not reach it, with the error divided by the number of classes (Bonferroni).
    * Means (``kl``, ``js``, ``saliency``) have bounds by betting, see
      :func:`tsdistill.fidelity.betting_interval`, and so has ``ece``, see
      :func:`tsdistill.fidelity.betting.calibration_bounds`.
      :meth:`~tsdistill.SaliencyDistilledClassifier.fidelity_report` shows bootstrap intervals of
      these, which are narrower, and too narrow where rare series count much.
    * The median of ``us_one_series`` has bounds from the order of 101 durations.

    If all demands are kept, the probability of this was ``1 - confidence`` at most unless all of
    them hold. A single line is wrongly called broken with the same probability, so with many
    lines that a student barely keeps, one may be.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sktime.datasets import load_italy_power_demand
    >>> from tsdistill import SaliencyDistilledClassifier
    >>> X, y = load_italy_power_demand(split="train", return_type="numpyflat")
    >>> X_new, y_new = load_italy_power_demand(split="test", return_type="numpyflat")
    >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
    >>> student = SaliencyDistilledClassifier(teacher, max_epochs=40, random_state=0).fit(X, y)
    >>> contract = SwapContract(agreement=0.9, negative_flips=0.05, weights=9_000)
    >>> result = contract.check(student, X_new, y_new)
    >>> result.status, [line.status for line in result.lines]
    ('kept', ['kept', 'kept', 'kept'])
    >>> print(result.lines[2])
    TSD401 weights: demanded <= 9,000, counted 8,794
    """

    agreement: float | None = None
    kl: float | None = None
    js: float | None = None
    class_agreement: float | None = None
    saliency: float | None = None
    negative_flips: float | None = None
    net_accuracy: float | None = None
    ece: float | None = None
    weights: int | None = None
    constant_bytes: int | None = None
    memory_bytes: int | None = None
    multiplications: int | None = None
    us_one_series: float | None = None
    confidence: float = 0.95
    meta: dict[str, str] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        check_demands(self.demands)
        if not (is_number(self.confidence) and 0.5 <= self.confidence <= 1 - 1e-9):
            raise ParameterError(
                f"confidence={shown(self.confidence)}; expected a number of 0.5 or more, below 1."
            )
        texts = {} if self.meta is None else self.meta
        if not isinstance(texts, dict) or not all(
            isinstance(text, str) for pair in texts.items() for text in pair
        ):
            raise ParameterError(
                f"meta={shown(self.meta)}; expected texts by name, such as {{'model': 'v3'}}."
            )

    def __repr__(self) -> str:
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        texts = [f"{name}={value!r}" for name, value in given.items() if value is not None]
        return f"SwapContract({', '.join(texts)})"

    @property
    def demands(self) -> dict[str, float]:
        """The limits of the demands that are made, by name, in the order of their codes."""
        limits = {name: getattr(self, name) for name in DEMANDS}
        return {name: limit for name, limit in limits.items() if limit is not None}

    @classmethod
    def from_toml(cls, source: Path) -> SwapContract:
        """Read a contract from TOML.

        Parameters
        ----------
        source : str or path
            A path, or the text itself: a table ``[demands]`` with the names of the arguments, and
            if need be ``confidence`` before it and a table ``[meta]`` of texts.

        Returns
        -------
        SwapContract

        Raises
        ------
        FileMissingError, PathError
            If the file cannot be read.
        ParameterError
            If it is no TOML, holds an unknown name, or a limit that cannot be used.

        Examples
        --------
        >>> SwapContract.from_toml('''
        ... confidence = 0.9
        ... [demands]
        ... agreement = 0.98
        ... weights = 9000
        ... ''')
        SwapContract(agreement=0.98, weights=9000, confidence=0.9)
        """
        return cls(**read_contract(source))

    def to_toml(self) -> str:
        """Write the contract as TOML, which :meth:`from_toml` reads.

        Returns
        -------
        str
            The text of a file.

        Examples
        --------
        >>> print(SwapContract(agreement=0.98).to_toml(), end="")
        confidence = 0.95
        <BLANKLINE>
        [demands]
        agreement = 0.98
        """
        return written_contract(self.confidence, self.demands, self.meta)

    def check(
        self,
        student: Any,
        X: Series,
        y: ArrayLike | None = None,
        teacher: TeacherLike = None,
        *,
        teacher_proba: ArrayLike | None = None,
        teacher_maps: ArrayLike | None = None,
        n_explained: int = 500,
        random_state: RandomSource = 0,
    ) -> ContractResult:
        """Compare a student with its teacher, and with what is demanded.

        Parameters
        ----------
        student : SaliencyDistilledClassifier
            Fitted or loaded, also with weights of few bits; or a search, a Pipeline or a sktime
            classifier that holds one.
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series drawn as future ones will be, on which neither model was trained.
        y : array-like of shape (n_instances,), default=None
            Labels, for the demands that need them.
        teacher : classifier, torch.nn.Module, callable, Teacher or list of these, default=None
            The fitted teacher. None takes the student's own.
        teacher_proba : array-like of shape (n_instances, n_classes), default=None
            The teacher's answers instead of a teacher: probabilities of the student's
            ``classes_``, such as ``student.teacher_.predict_proba(X)`` gave.
        teacher_maps : array-like of shape (n_instances, n_timepoints), default=None
            The teacher's maps for its own predictions, beside ``teacher_proba``: what
            ``student.explain(X, of="teacher", fill="mean")`` gave, with ``fill="opposing"`` for
            a student whose ``donors`` are "mean" or "zero". Without them ``saliency`` is
            undecided.
        n_explained : int, default=500
            Most series with maps, which are drawn at random; each costs the teacher about 31
            queries. All of those of ``teacher_maps`` count.
        random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=0
            For this draw.

        Returns
        -------
        ContractResult
            See :class:`tsdistill.swap.result.ContractResult`.

        Raises
        ------
        ParameterError
            If a demand needs a teacher or labels that are missing, or an argument cannot be used.
        PanelError, TeacherError, ValueError
            If X does not fit, or the teacher fails.
        """
        given = GivenAnswers(teacher_proba, teacher_maps)
        evidence = Evidence(
            student, X, y, list(self.demands), teacher, given, n_explained, random_state
        )
        lines = [
            judge(DEMANDS[name], limit, evidence.find(name), self.confidence)
            for name, limit in self.demands.items()
        ]
        return ContractResult(
            lines=tuple(lines),
            confidence=self.confidence,
            n_series=evidence.n_series,
            contract=self.to_toml(),
            meta=dict(self.meta or {}),
            student=evidence.about(),
            digests=evidence.digests(),
            versions=versions(),
            date=now(),
        )
