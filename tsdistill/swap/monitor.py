"""SwapMonitor: in use, is the promise of a swap still kept?"""

import threading

import numpy as np

from tsdistill.estimators.holds_teacher import ShowsItsConstructor, short_repr
from tsdistill.exceptions import HookWarning, ParameterError, TeacherAwayWarning, warn_user
from tsdistill.inputs.checks import as_list, check_rate, check_share, shown
from tsdistill.inputs.files import check_folder
from tsdistill.inputs.random_state import seed_sequence
from tsdistill.swap.deferring import DeferringClassifier
from tsdistill.swap.record import Promise, Record
from tsdistill.swap.waiting import WaitingSeries


class SwapMonitor(ShowsItsConstructor):
    """Watches, in use, whether a swap still keeps its promise.

    :meth:`predict` answers exactly as the swap does. It also tosses a coin for each series, and
    asks the teacher about those that win (an audit) unless the teacher has answered them anyway.
    From these few it bounds how often swap and teacher differ, and rings an alarm if that is more
    than promised. Two more alarms need no teacher: they ring if the student's confidence, or the
    series themselves, are no longer like those before.

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
    with the series. For a time limit, pass a teacher that raises when it is over. Deferred series
    raise as they do in the swap, and calls that raise are not counted.

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
        self, swap, *, audit_rate=0.02, max_disagreement=None, confidence=0.95, random_state=None,
        on_alarm=(),
    ):  # fmt: skip
        self.swap = swap
        self.audit_rate = audit_rate
        self.max_disagreement = max_disagreement
        self.confidence = confidence
        self.random_state = random_state
        self.on_alarm = on_alarm
        promise = self._checked()
        self._curve = swap.curve_
        self._record = Record.new(promise, getattr(swap, "_reference", None))
        self._coins = np.random.Generator(np.random.PCG64(seed_sequence(random_state)))
        self._lock = threading.RLock()
        self._waiting = WaitingSeries(swap._uneven_form is not None)

    def _checked(self):
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
        for hook in as_list(self.on_alarm):
            if not callable(hook):
                raise ParameterError(
                    f"on_alarm has {shown(hook)}; expected functions that take the monitor."
                )
        return Promise(float(self.audit_rate), float(promised), float(self.confidence))

    n_seen_ = property(lambda self: self._record.n_seen)
    n_deferred_ = property(lambda self: self._record.n_deferred)
    n_audited_ = property(lambda self: self._record.n_audited)
    n_asked_ = property(lambda self: self._record.n_asked)
    n_disagreed_ = property(lambda self: self._record.n_disagreed)
    alarm_at_ = property(lambda self: self._record.alarms.get("disagreement"))
    bound_ = property(lambda self: float(self._now()["bound"][0]))
    recent_bound_ = property(lambda self: float(self._now()["recent_bound"][0]))

    def predict(self, X):
        """Labels of the series, as the swap gives them, while the monitor watches.

        Parameters
        ----------
        X : array-like, with the axes, channels and timepoints of the series of the swap's ``fit``

        Returns
        -------
        y : ndarray of shape (n_instances,)

        Raises
        ------
        ParameterError
            If the swap was fitted again since the monitor began to watch it.
        PanelError, TeacherError
            As :meth:`DeferringClassifier.predict` does; the series are not counted then.
        """
        if self.swap.curve_ is not self._curve:
            raise ParameterError(
                "the swap was fitted again since its monitor began; make a new SwapMonitor."
            )
        record = self._record
        array, _, labels, uncertainty = self.swap._student_answers(X)
        try:
            labels, deferred = self.swap._completed(array, labels, uncertainty)
        except Exception:
            with self._lock:
                record.teacher_failed()
            raise
        with self._lock:
            draws = self._coins.random((len(array), 3))
        audited = (draws[:, 0] < record.promise.audit_rate).tolist()
        deferred = deferred.tolist()
        differs = self._audit(array, labels, deferred, audited)
        with self._lock:
            if differs is None:
                record.see(deferred, None, None)
            else:
                record.see(deferred, audited, differs)
                n_before = record.n_seen - len(array)
                if record.drifts and self._waiting.add(n_before, array, uncertainty, draws[:, 1:]):
                    self._rank_waiting()
            n_rung = record.announced()
        for _ in range(n_rung):
            self._call_hooks()
        return labels

    def _rank_waiting(self):
        numbers, scores, ties = self._waiting.taken(self.swap._reference)
        for name in scores:
            self._record.rank(name, numbers, scores[name], ties[name])

    def _audit(self, array, labels, deferred, audited):
        """Whether swap and teacher differ on each audited series; None while it is away.

        Which call finds it back depends on the series of that call, so they do not count.
        """
        record, differs = self._record, [False] * len(deferred)
        was_away = record.teacher_is_away
        rows = [i for i, wins in enumerate(audited) if wins and not deferred[i]]
        if was_away:
            with self._lock:
                if any(deferred):
                    record.teacher_answered(0)
                if any(deferred) or (rows and record.skips_question()):
                    return None
        if rows:
            try:
                theirs = self.swap._models.teacher_labels(array[rows])
            except Exception as error:  # the teacher is the user's: any exception may come
                with self._lock:
                    record.teacher_failed()
                if not was_away:
                    self._warn_of_absence(error)
                return None
            with self._lock:
                record.teacher_answered(len(rows))
            for i, differs_there in zip(rows, (labels[rows] != theirs).tolist(), strict=True):
                differs[i] = differs_there
        return None if was_away else differs

    @staticmethod
    def _warn_of_absence(error):
        warn_user(
            f"the teacher could not be asked for an audit ({type(error).__name__}: "
            f"{str(error)[:200]}). Series that the student answers alone are answered, but nothing "
            "is audited until the teacher answers again; this is tried again and again, ever more "
            "rarely.",
            TeacherAwayWarning,
        )

    def _call_hooks(self):
        for hook in as_list(self.on_alarm):
            try:
                hook(self)
            except Exception as error:  # the hook is the user's
                warn_user(
                    f"on_alarm {short_repr(hook)} raised {type(error).__name__}: "
                    f"{str(error)[:200]}; the answers are returned all the same.",
                    HookWarning,
                )

    @property
    def status(self):
        """Whether the promise is "kept", "broken", or "unknown" so far."""
        if self.alarm_at_ is not None:
            return "broken"
        return "kept" if self.bound_ <= self._record.promise.max_disagreement else "unknown"

    def _now(self):
        with self._lock:
            moment = self._record.moment()
        return self._record.bounds([moment])

    def _up_to_date(self):
        """The record, with the ranks of all series."""
        with self._lock:
            if self._record.drifts:
                self._rank_waiting()
        return self._record

    @property
    def alarms_(self):
        alarms = self._up_to_date().alarms
        return dict(sorted(alarms.items(), key=lambda alarm: alarm[1]))

    @property
    def drift_(self):
        record = self._up_to_date()
        return {
            name: {
                "watched": name in record.drifts,
                "evidence": record.drifts[name].evidence.total if name in record.drifts else None,
                "limit": record.promise.limit(name),
                "alarm_at": record.alarms.get(name),
            }
            for name in ("confidence", "input")
        }

    @property
    def history_(self):
        with self._lock:
            moments, now = list(self._record.moments), self._record.moment()
        if not moments or moments[-1][0] != now[0]:
            moments.append(now)
        return self._record.bounds(moments)

    def plot(self, *, ax=None):
        """Draw the bounds against the series seen, with the limit and the alarms.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None

        Returns
        -------
        display : MonitorDisplay
        """
        from tsdistill.display import MonitorDisplay

        return MonitorDisplay.from_monitor(self, ax=ax)

    def save(self, path):
        """Write all that the monitor knows to a file, whole or not at all, without pickle.

        A monitor that is loaded from it goes on exactly as this one does, coins included. Neither
        the swap nor the functions of ``on_alarm`` are in the file.

        Parameters
        ----------
        path : str or path

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
    def load(cls, path, swap, *, on_alarm=()):
        """Go on with a monitor that :meth:`save` wrote.

        Parameters
        ----------
        path : str or path
        swap : fitted DeferringClassifier
            The one that was watched, or what its own ``save`` and ``load`` made of it.
        on_alarm : callable or list of callables, default=()
            See the constructor. Alarms that rang before are in ``alarms_``; they do not ring again.

        Returns
        -------
        monitor : SwapMonitor

        Raises
        ------
        SavedFileError
            If the file is damaged, or holds the state of a monitor of another swap.
        ParameterError
            If ``swap`` or ``on_alarm`` cannot be used.
        FileMissingError, PathError, MissingExtraError
            See :meth:`tsdistill.SaliencyDistilledClassifier.load`.
        """
        from tsdistill.export.archive import read_archive
        from tsdistill.swap.monitor_saving import restored_monitor

        monitor = cls(swap, on_alarm=on_alarm)
        record, monitor._coins = restored_monitor(*read_archive(path), swap)
        vars(monitor).update(vars(record.promise))
        monitor._record = record
        return monitor

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state):
        vars(self).update(state, _lock=threading.RLock())
