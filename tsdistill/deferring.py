"""DeferringClassifier: the student answers where it is sure, the teacher elsewhere."""

import copy

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from tsdistill.checks import check_share
from tsdistill.classifier import SaliencyDistilledClassifier
from tsdistill.columns import few
from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.formats import channel_names
from tsdistill.knowledge import ask
from tsdistill.panels import as_panel, label_positions, validate_series
from tsdistill.parameters import HoldsTeacher
from tsdistill.promise import largest_doubt, series_needed, upper_bound
from tsdistill.randomness import global_states_kept
from tsdistill.teachers import Teacher, as_teacher


class DeferringClassifier(HoldsTeacher, ClassifierMixin, BaseEstimator):
    """A student that asks its teacher when in doubt, with a bound on how often they differ.

    ``fit`` looks at held-out series, without labels, for the lowest confidence down to which the
    student may answer alone. Above it the student answers; below it the teacher is asked.

    A model's answer is the class to which it gives the highest probability. With probability
    ``confidence`` over the draw of those series, it gives another answer than
    the teacher for at most ``max_disagreement`` of *all* series to come, the deferred ones, where
    it never differs, counted in. This holds for any student and any teacher, however bad, as long
    as the series to come are drawn as those of ``fit`` were, and neither were trained on.

    Parameters
    ----------
    student : fitted classifier
        A SaliencyDistilledClassifier, or anything with ``classes_`` and ``predict_proba``.
    teacher : classifier, torch.nn.Module, callable, Teacher or list of these, default=None
        A fitted one, as :class:`~tsdistill.SaliencyDistilledClassifier` takes it. None takes the
        student's own teacher, with all classes that it knows; a student in a Pipeline needs it
        named.
    max_disagreement : float in (0, 1), default=0.01
        Share of all series.
    confidence : float in (0, 1), default=0.95
        Probability with which that holds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels that either model knows.
    student_ : classifier
        The student as it was in ``fit``, for which the promise holds: a copy, unless it cannot
        be copied. A teacher that changes is asked as it then is; fit the swap anew.
    teacher_ : Teacher
    threshold_ : float
        The student answers alone from this probability of its prediction on. 0 where it answers
        everything, infinity where it answers nothing.
    deferral_rate_ : float
        Share of the series of ``fit`` for which the teacher would be asked.
    disagreement_, disagreement_bound_ : float
        Share of all series of ``fit`` with an answer other than the teacher's, and its exact
        upper bound at the level ``confidence``, which is at most ``max_disagreement``.
    answered_disagreement_, answered_disagreement_bound_ : float
        The same among the series that the student answers alone; NaN where it answers none. That
        bound is not part of the promise: the threshold was chosen on the same series.
    n_calibration_ : int
        Series of ``fit``.
    curve_ : dict of str to ndarray of shape (n_thresholds,)
        For every threshold: "threshold", "deferral_rate", "disagreement" and "bound".

    Notes
    -----
    Fixed-sequence testing (Angelopoulos et al.: Learn then Test, arXiv 2110.01052): thresholds
    are tried from the strictest on, each with the exact binomial test of the hypothesis that the
    risk ``P(confidence >= threshold and student != teacher)`` is above ``max_disagreement``::

        sum_{j <= k} binom(n, j) a^j (1 - a)^(n - j) <= 1 - confidence

    with k disagreements among the n series and a = ``max_disagreement``; the last threshold
    before the first that is not rejected is taken. Since the risk can only grow as the threshold
    falls, the error over the whole sequence is that of one test. Confidence is held as the
    student's doubt, the sum of the other probabilities, so that certainties that round to 1 are
    still told apart. Series for which the student's answer is NaN or infinite go to the teacher.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktime.datasets import load_italy_power_demand
    >>> X, y = load_italy_power_demand(split="train", return_type="numpyflat")
    >>> X_new, _ = load_italy_power_demand(split="test", return_type="numpyflat")
    >>> teacher = RandomForestClassifier(50, random_state=0).fit(X, y)
    >>> student = LogisticRegression().fit(X, y)
    >>> swap = DeferringClassifier(student, teacher, max_disagreement=0.02).fit(X_new[:600])
    >>> 0 < swap.deferral_rate_ < 1
    True
    >>> bool((swap.predict(X_new[600:]) != teacher.predict(X_new[600:])).mean() <= 0.02)
    True
    """

    def __init__(self, student, teacher=None, max_disagreement=0.01, confidence=0.95):
        self.student = student
        self.teacher = teacher
        self.max_disagreement = max_disagreement
        self.confidence = confidence

    def fit(self, X, y=None):
        """Find the confidence from which the student answers alone.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)
            Series drawn as those to come; neither student nor teacher was trained on them.
        y : None
            Not used.

        Returns
        -------
        self : DeferringClassifier

        Raises
        ------
        ParameterError
            If a setting is no share, or the student is not fitted.
        PanelError
            If there are too few series to promise anything; says how many are needed.
        """
        before = dict(vars(self))
        try:
            self._fit(X)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _fit(self, X):
        check_share("max_disagreement", self.max_disagreement)
        check_share("confidence", self.confidence)
        if not (hasattr(self.student, "predict_proba") and Teacher(self.student).is_fitted):
            raise ParameterError(
                f"student={type(self.student).__name__} is not fitted, or has no predict_proba; "
                "fit it first."
            )
        given, X = X, validate_series(self, X, reset=True)
        n, needed = len(X), series_needed(self.max_disagreement, self.confidence)
        if n < needed:
            raise PanelError(
                f"X has {n} series; to promise max_disagreement={self.max_disagreement} with "
                f"confidence={self.confidence} takes at least {needed}, and that many only if "
                "the student never differs from the teacher among them. Pass more series, or ask "
                "for less."
            )
        self.student_ = _copied(self.student)
        self.teacher_ = self._bound_teacher(X)
        known = np.asarray(self.student_.classes_), self.teacher_.classes_
        if not len(label_positions(*known)[0]):
            raise ParameterError(
                f"student knows the classes {few(known[0])} and teacher {few(known[1])}, which "
                "have none in common; name the teacher's columns with Teacher(model, "
                "classes=[...])."
            )
        try:
            self.classes_ = np.union1d(*known)
        except TypeError as error:
            raise ParameterError(
                f"the classes of student, {few(known[0])}, and of teacher, {few(known[1])}, cannot "
                "be sorted together; name the teacher's columns with Teacher(model, classes=[...])."
            ) from error
        self._students_columns, self._teachers_columns = (
            np.searchsorted(self.classes_, labels) for labels in known
        )
        labels, doubt = self._read(self._students_proba(given, X))
        differs = labels != self._teachers_answer(X, recall=True)
        self._max_doubt, self.curve_ = largest_doubt(
            doubt, differs, self.max_disagreement, self.confidence
        )
        self._promise = self.max_disagreement, self.confidence
        self.threshold_ = np.inf if self._max_doubt < 0 else 1 - self._max_doubt
        alone = doubt <= self._max_doubt
        self.n_calibration_ = n
        self.deferral_rate_ = float(1 - alone.mean())
        n_differ = int((differs & alone).sum())
        self.disagreement_ = n_differ / n
        self.disagreement_bound_ = float(upper_bound(n_differ, n, self.confidence))
        n_alone = int(alone.sum())
        self.answered_disagreement_ = n_differ / n_alone if n_alone else float("nan")
        self.answered_disagreement_bound_ = (
            float(upper_bound(n_differ, n_alone, self.confidence)) if n_alone else float("nan")
        )

    def _bound_teacher(self, X):
        if self.teacher is None:
            own = getattr(_holder_of(self.student_), "teacher_", None)
            if not isinstance(own, Teacher):
                raise ParameterError(
                    f"teacher=None, but a {type(self.student).__name__} has no teacher of its own "
                    "that takes the same series; pass the teacher."
                )
            return own.whole(as_panel(X))
        teacher = as_teacher(self.teacher)
        if not teacher.is_fitted:
            raise ParameterError(f"teacher={teacher!r} is not fitted; fit it first.")
        return teacher.bind(X, None if teacher.is_named else np.asarray(self.student_.classes_))

    def _students_proba(self, given, X):
        """The student's probabilities over its own classes, float64; may be NaN.

        It is asked about X, or, where it would know the names of columns or channels again, about
        what the user gave.
        """
        hears = given if _hears_names(self.student_, given) else X
        proba = np.array(self.student_.predict_proba(hears), dtype=np.float64)
        n_instances, n_classes = len(X), len(self.student_.classes_)
        if proba.shape != (n_instances, n_classes):
            raise ParameterError(
                f"student={type(self.student_).__name__} answered {n_instances} series in shape "
                f"{proba.shape}; expected ({n_instances}, {n_classes}), a column for each of its "
                "classes."
            )
        usable = np.isfinite(proba).all(axis=1)
        wrong = usable & ((np.abs(proba.sum(axis=1) - 1) > 1e-3) | (proba.min(axis=1) < -1e-3))
        if wrong.any():
            raise ParameterError(
                f"student={type(self.student_).__name__} answered {wrong.sum()} of {n_instances} "
                "series with rows that do not sum to 1; expected probabilities."
            )
        return proba

    def _read(self, proba):
        """Label and doubt of each row; a row that is no number is doubted infinitely."""
        top = np.nan_to_num(proba).argmax(axis=1)
        others = proba.copy()
        np.put_along_axis(others, top[:, np.newaxis], 0.0, axis=1)
        doubt = np.where(np.isfinite(proba).all(axis=1), others.sum(axis=1), np.inf)
        return np.asarray(self.student_.classes_)[top], doubt

    def _teachers_answer(self, X, recall=False):
        return self.teacher_.classes_[self._ask_teacher(X, recall).argmax(axis=1)]

    def _ask_teacher(self, X, recall=False):
        """Its log-probabilities; with recall as the student's ``n_jobs`` and ``memory`` say."""
        holder = _holder_of(self.student_)
        ours = isinstance(holder, SaliencyDistilledClassifier)
        device = holder.student_.device if ours else "cpu"
        with global_states_kept(0, device):
            how = holder._asked(self.teacher_) if ours and recall else {"device": device}
            return ask(self.teacher_, as_panel(X), **how)

    def _answer(self, X):
        """X as an array, the student's probabilities, label and doubt of each series."""
        check_is_fitted(self, "threshold_")
        array = validate_series(self, X, reset=False)
        proba = self._students_proba(X, array)
        return array, proba, *self._read(proba)

    def defers(self, X):
        """For which series the teacher is asked.

        Parameters
        ----------
        X : array-like, of the number of axes, channels and timepoints of ``fit``

        Returns
        -------
        deferred : ndarray of shape (n_instances,), bool
        """
        return self._answer(X)[-1] > self._max_doubt

    def predict(self, X):
        """Labels: the student's where it is sure, else the teacher's.

        Parameters
        ----------
        X : array-like, of the number of axes, channels and timepoints of ``fit``

        Returns
        -------
        y : ndarray of shape (n_instances,)
        """
        X, _, labels, doubt = self._answer(X)
        labels = labels.astype(self.classes_.dtype)
        deferred = doubt > self._max_doubt
        if deferred.any():
            labels[deferred] = self._teachers_answer(X[deferred])
        return labels

    def predict_proba(self, X):
        """Probabilities of ``classes_``: of the model that answers each series.

        Parameters
        ----------
        X : array-like, of the number of axes, channels and timepoints of ``fit``

        Returns
        -------
        proba : ndarray of shape (n_instances, n_classes), float64
            0 for a class that the model that answers does not know. Those of a teacher are as
            :class:`~tsdistill.Teacher` hears them, 1e-4 or more.
        """
        X, own, _, doubt = self._answer(X)
        proba = np.zeros((len(X), len(self.classes_)))
        proba[:, self._students_columns] = own
        deferred = doubt > self._max_doubt
        if deferred.any():
            answers = np.zeros((deferred.sum(), len(self.classes_)))
            answers[:, self._teachers_columns] = np.exp(self._ask_teacher(X[deferred]))
            proba[deferred] = answers
        return proba

    def plot(self, *, ax=None):
        """Draw cost against risk: how often the teacher is asked, how often the two differ.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None

        Returns
        -------
        display : DeferralDisplay
        """
        from tsdistill.display import DeferralDisplay

        return DeferralDisplay.from_estimator(self, ax=ax)

    def get_params(self, deep=True):
        """Parameters by name; student and teacher are fitted, and never walked into."""
        return {
            name: getattr(self, name)
            for name in ("student", "teacher", "max_disagreement", "confidence")
        }

    def set_params(self, **params):
        """Set parameters; those of the models inside, which are fitted, cannot be set."""
        inside = [name for name in params if "__" in name]
        if inside:
            raise ParameterError(
                f"{inside[0]} cannot be set: student and teacher are fitted, and used as they are."
            )
        return BaseEstimator.set_params(self, **params)

    def __sklearn_clone__(self):
        return type(self)(**self.get_params())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = False
        return tags


def _copied(student):
    """The student as it is now: what is promised of it must not change with it."""
    try:
        copied = copy.deepcopy(student)
    except Exception:  # the model is the user's: sessions and locks cannot be copied
        return student
    holder = _holder_of(copied)
    if isinstance(holder, SaliencyDistilledClassifier):
        holder._lesson = None  # with which ``warm_start`` would go on
    return copied


def _hears_names(student, X):
    """Whether a student takes series in that format, and knows their names from its own fit."""
    student = getattr(student, "best_estimator_", student)
    if channel_names(X) is not None:  # a panel of sktime's
        return hasattr(student, "_channel_names") or hasattr(student, "get_class_tag")
    return hasattr(X, "columns") and hasattr(student, "feature_names_in_")


def _holder_of(student):
    """The classifier that has the teacher of a student, inside a search or a wrapper."""
    holder = getattr(student, "best_estimator_", student)
    if hasattr(holder, "transformers_"):  # of a Pipeline of sktime: asked in other series
        return holder
    return getattr(holder, "classifier_", holder)
