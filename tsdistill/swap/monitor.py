"""SwapMonitor: in use, is the promise of a swap still kept?"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tsdistill.estimators.holds_teacher import ShowsItsConstructor, short_repr
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_positive, check_rate, check_share
from tsdistill.inputs.files import check_folder
from tsdistill.inputs.random_state import seed_sequence
from tsdistill.inputs.types import BoolArray, FloatArray, LabelArray, Path, RandomSource, Series
from tsdistill.numerics.time_limit import TimeLimit
from tsdistill.swap.auditing import audit
from tsdistill.swap.deferring import DeferringClassifier
from tsdistill.swap.hooks import call_hooks, check_hooks
from tsdistill.swap.readings import MonitorReadings
from tsdistill.swap.record import Promise, Record
from tsdistill.swap.waiting import WaitingSeries

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import Self

    from tsdistill.display import MonitorDisplay

Hook: TypeAlias = Callable[["SwapMonitor"], object]


class SwapMonitor(MonitorReadings, ShowsItsConstructor):
    """Watches, in use, whether a swap still keeps its promise.

    :meth:`predict` and :meth:`predict_proba` answer exactly as the swap does. They also toss a coin
    for each series, and ask the teacher about those that win (an audit) unless the teacher has
    answered them anyway. From these few, bounds follow for how often swap and teacher differ, and
    an alarm rings if that is more than promised. Two more alarms need no teacher: they ring if the
    student's confidence, or the series themselves, are no longer like those before.

    All of this may be looked at after every series, for as long as the swap is used. The false
    alarms of all three kinds together have the probability ``1 - confidence``, ever.

    Parameters
    ----------
    swap : fitted DeferringClassifier
        Not to be fitted again while it is watched.
    audit_rate : float in (0, 1], default=0.02
        Share of series for which the coin wins. About this share of the series that the student
        answers alone become questions to the teacher.
    max_disagreement : float in (0, 1), default=None
        Largest probability with which swap and teacher may differ. None takes that of the swap's
        ``fit``.
    confidence : float in (0, 1), default=0.95
        Probability that no false alarm ever rings; also that ``bound_`` always holds, and that
        ``recent_bound_`` does.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator, default=None
        Seeds the coins. Whoever knows it can foresee which series are audited.
    on_alarm : callable or list of callables, default=()
        Called with the monitor once for each alarm, after the answers are known; single series may
        wait for 15 others until drift is looked for. If one raises, a HookWarning says so and the
        answers are returned all the same.
    teacher_timeout : float, default=None
        Seconds that an audit waits for the teacher, which then counts as away. None waits for as
        long as it takes. See the notes for what a limit cannot do.

    Attributes
    ----------
    status : {"kept", "broken", "unknown"}
        "broken" once the alarm of disagreement has rung; "kept" if it has not and ``bound_`` is at
        most ``max_disagreement``.
    bound_ : float
        Upper bound of the disagreement, averaged over all series since the start during which the
        teacher could be asked.
    recent_bound_ : float
        The same since the last or the last but one multiple of ``32 / (audit_rate *
        max_disagreement)`` series.
    alarm_at_ : int or None
        Number of series seen when the alarm of disagreement rang.
    drift_ : dict of str to dict
        "confidence" (the student's) and "input" (the series): "watched", "evidence", the "limit"
        at which its alarm rings, and "alarm_at". A swap from a file that was written before there
        were monitors is not watched for drift; fit it again.
    alarms_ : dict of str to int
        All alarms that have rung, in that order, among "disagreement", "confidence" and "input".
    n_seen_, n_deferred_ : int
        Series answered, and those of them that the swap passed on to the teacher.
    n_audited_, n_asked_ : int
        Series whose coin won, and those of them about which the teacher had to be asked.
    n_disagreed_ : int
        Audited series on which swap and teacher differ.
    history_ : dict of str to ndarray of shape (n_moments,)
        "n_seen", "n_audited", "n_deferred", "n_disagreed", "bound" and "recent_bound" at up to 256
        moments, evenly spaced, and now.

    See Also
    --------
    DeferringClassifier : The swap, and what it promises.

    Notes
    -----
    *Disagreement.* The coin is tossed independently of the series, so audited series are a sample
    of all series, deferred ones included, on which the two never differ. The bounds hold at all
    times at once, and for a disagreement that changes; in the same sense they bound the share of
    series on which the two did differ, without any assumption about the series. The alarm tests
    that the probability to differ, given all that came before, never exceeds ``max_disagreement``;
    it gets half of the error ``1 - confidence``.

    *Drift.* Each series is ranked, by the student's uncertainty and by how far its means,
    deviations and steps are from the usual ones, among the series of the swap's ``fit`` and all
    seen since. If their order means nothing, the ranks are independent and uniform (Vovk et al.:
    Retrain or not retrain, arXiv 2102.10439); each alarm gets a quarter of the error, which is
    counted over the series of ``fit`` as well as those seen. It also rings if series follow on one
    another, such as overlapping windows or seasons. It says nothing about the disagreement: "input"
    without "disagreement" means that the world has changed and the swap has borne it so far. A
    change that comes gradually is in time taken for usual.

    *A teacher that is away.* If it raises, a TeacherAwayWarning says so once, and series that the
    student answers alone are answered; nothing is watched. The teacher is asked again after 1, 2,
    4, ... 64 questions have been left out, and once it has answered a question, or a deferred
    series, the watch goes on from the next call. This assumes that its absence has nothing to do
    with the series. Deferred series raise as they do in the swap, and calls that raise are not
    counted.

    *A teacher that hangs.* With ``teacher_timeout``, audits are asked in a thread of their own, and
    answers wait for it no longer than that; other threads that predict may wait for it, too. No
    thread can be stopped: the question goes on in the background, with its memory, and what it
    holds, such as a lock of the teacher's or Python's own. As long as it does, nothing else is
    audited. Deferred series have no limit: without the teacher there is no answer. For more, pass
    a teacher that raises by itself when its time is over.

    The mathematics, with proofs, is in :mod:`tsdistill.swap.martingales`.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktime.datasets import load_italy_power_demand
    >>> from tsdistill import DeferringClassifier
    >>> X, y = load_italy_power_demand(split="train", return_type="numpyflat")
    >>> X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
    >>> teacher = RandomForestClassifier(50, random_state=0).fit(X, y)
    >>> student = LogisticRegression().fit(X, y)
    >>> swap = DeferringClassifier(student, teacher, max_disagreement=0.05).fit(X_new[:600])
    >>> monitor = SwapMonitor(swap, audit_rate=0.5, random_state=0)
    >>> for day in np.array_split(X_new[600:], 10):
    ...     labels = monitor.predict(day)
    >>> monitor.status, monitor.n_seen_, monitor.alarms_
    ('kept', 429, {})
    """

    def __init__(
        self,
        swap: DeferringClassifier,
        *,
        audit_rate: float = 0.02,
        max_disagreement: float | None = None,
        confidence: float = 0.95,
        random_state: RandomSource = None,
        on_alarm: Hook | Sequence[Hook] = (),
        teacher_timeout: float | None = None,
    ) -> None:
        self.swap = swap
        self.audit_rate = audit_rate
        self.max_disagreement = max_disagreement
        self.confidence = confidence
        self.random_state = random_state
        self.on_alarm = on_alarm
        self.teacher_timeout = teacher_timeout
        promise = self._checked()
        self._curve = swap.curve_
        self._record = Record.new(promise, getattr(swap, "_reference", None))
        self._coins = np.random.Generator(np.random.PCG64(seed_sequence(random_state)))
        self._lock, self._limit = threading.RLock(), TimeLimit(teacher_timeout)
        self._waiting = WaitingSeries(swap._uneven_form is not None)

    def _checked(self) -> Promise:
        """What is promised; raise ParameterError if an argument cannot be used."""
        if not isinstance(self.swap, DeferringClassifier):
            raise ParameterError(
                f"swap={short_repr(self.swap)}; expected a fitted DeferringClassifier."
            )
        if not hasattr(self.swap, "curve_"):
            raise ParameterError(f"swap={short_repr(self.swap)} is not fitted; call its fit first.")
        check_rate("audit_rate", self.audit_rate)
        check_share("confidence", self.confidence)
        own = self.max_disagreement
        promised = self.swap._guarantee[0] if own is None else own
        check_share("max_disagreement", promised)
        check_hooks(self.on_alarm)
        if self.teacher_timeout is not None:
            check_positive("teacher_timeout", self.teacher_timeout)
        return Promise(float(self.audit_rate), float(promised), float(self.confidence))

    def predict(self, X: Series) -> LabelArray:
        """Predict the labels of the series as the swap gives them, while the monitor watches.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of the swap's ``fit``.

        Returns
        -------
        ndarray of shape (n_instances,)
            One label for each series.

        Raises
        ------
        ParameterError
            If the swap was fitted again since the monitor began to watch it.
        PanelError, TeacherError
            As :meth:`DeferringClassifier.predict` does; the series are not counted then.
        """
        return self._answered(X, with_proba=False)

    def predict_proba(self, X: Series) -> FloatArray:
        """Give the probabilities of ``swap.classes_`` as the swap does, while the monitor watches.

        What counts is the class of the highest probability, so watch and audits are those of
        :meth:`predict`. A series of which both are asked counts twice.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of the swap's ``fit``.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float64
            As :meth:`DeferringClassifier.predict_proba` gives them.

        Raises
        ------
        ParameterError, PanelError, TeacherError
            As :meth:`predict` does.
        """
        return self._answered(X, with_proba=True)

    def _answered(self, X: Series, with_proba: bool) -> LabelArray:
        swap = self.swap
        if swap.curve_ is not self._curve:
            raise ParameterError(
                "the swap was fitted again since its monitor began; make a new SwapMonitor."
            )
        array, proba, labels, uncertainty = swap._student_answers(X)
        try:
            if with_proba:
                answers, deferred = swap._completed_proba(array, proba, uncertainty)
            else:
                answers, deferred = swap._completed(array, labels, uncertainty)
        except Exception:
            with self._lock:
                self._record.teacher_failed()
            raise
        self._watch(array, labels, uncertainty, deferred)
        return answers

    def _watch(
        self, array: NDArray[Any], labels: LabelArray, uncertainty: FloatArray, deferred: BoolArray
    ) -> None:
        """Take in series that have been answered, and tell the user of alarms."""
        record, n = self._record, len(array)
        with self._lock:
            draws = self._coins.random((n, 3))
        rate = record.promise.audit_rate
        audited = [draws.item(0) < rate] if n == 1 else (draws[:, 0] < rate).tolist()
        was_deferred = deferred.tolist()
        differs = audit(
            record, self._lock, labels, was_deferred, audited, lambda rows: self._ask(array[rows])
        )
        with self._lock:
            if differs is None:
                record.see(was_deferred, None, None)
            else:
                record.see(was_deferred, audited, differs)
                if record.drifts and self._waiting.add(
                    record.n_seen - n, array, uncertainty, draws
                ):
                    self._rank_waiting()
            n_rung = record.announced()
        for _ in range(n_rung):
            call_hooks(self.on_alarm, self)

    def _ask(self, array: NDArray[Any]) -> LabelArray:
        """The teacher's labels; TimeoutError if they take too long."""
        limited = self.teacher_timeout is not None
        return self.swap._models.teacher_labels(array, call=self._limit if limited else None)

    def _rank_waiting(self) -> None:
        numbers, scores, ties = self._waiting.taken(self.swap._reference)
        for name in scores:
            self._record.rank(name, numbers, scores[name], ties[name])

    def plot(self, *, ax: Axes | None = None) -> MonitorDisplay:
        """Draw the bounds against the series seen, with the limit and the alarms.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        MonitorDisplay
            Its ``ax_`` and ``figure_`` can be changed.
        """
        from tsdistill.display import MonitorDisplay

        return MonitorDisplay.from_monitor(self, ax=ax)

    def save(self, path: Path) -> None:
        """Write all that the monitor knows to a file, whole or not at all, without pickle.

        A monitor that is loaded from it goes on exactly as this one does, coins included. Neither
        the swap nor ``on_alarm`` and ``teacher_timeout`` are in the file.

        Parameters
        ----------
        path : str or path
            Its folder has to exist. An older file is replaced once the new one is complete.

        Raises
        ------
        FolderMissingError, FolderGivenError, MissingExtraError
            See :meth:`tsdistill.SaliencyDistilledClassifier.save`.
        """
        from tsdistill.export.archive import write_archive
        from tsdistill.swap.monitor_saving import saved_monitor

        check_folder(path)
        with self._lock:
            state = saved_monitor(self._up_to_date(), self._coins, self.swap)
        write_archive(path, *state)

    @classmethod
    def load(
        cls,
        path: Path,
        swap: DeferringClassifier,
        *,
        on_alarm: Hook | Sequence[Hook] = (),
        teacher_timeout: float | None = None,
    ) -> Self:
        """Go on with a monitor that :meth:`save` wrote.

        Parameters
        ----------
        path : str or path
            The file.
        swap : fitted DeferringClassifier
            The one that was watched, or what its own ``save`` and ``load`` made of it.
        on_alarm : callable or list of callables, default=()
            See the constructor. Alarms that rang before are in ``alarms_``; they do not ring again.
        teacher_timeout : float, default=None
            See the constructor.

        Returns
        -------
        SwapMonitor

        Raises
        ------
        SavedFileError
            If the file is damaged, or holds the state of a monitor of another swap.
        ParameterError
            If ``swap``, ``on_alarm`` or ``teacher_timeout`` cannot be used.
        FileMissingError, PathError, MissingExtraError
            See :meth:`tsdistill.SaliencyDistilledClassifier.load`.
        """
        from tsdistill.export.archive import read_archive
        from tsdistill.swap.monitor_saving import restored_monitor

        monitor = cls(swap, on_alarm=on_alarm, teacher_timeout=teacher_timeout)
        record, monitor._coins = restored_monitor(*read_archive(path), swap)
        monitor.__dict__.update(vars(record.promise))
        monitor._record = record
        return monitor

    def __getstate__(self) -> dict[str, Any]:
        return {name: one for name, one in vars(self).items() if name not in ("_lock", "_limit")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        limit = TimeLimit(state["teacher_timeout"])
        self.__dict__.update(state, _lock=threading.RLock(), _limit=limit)
