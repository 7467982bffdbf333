"""DeferringClassifier: the student answers where it is sure, the teacher elsewhere."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.holds_teacher import copied_around, short_constructor
from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.inputs.checks import check_share
from tsdistill.inputs.series import as_panel, match_series, read_series
from tsdistill.swap.model_pair import ModelPair, copy_of, holder_of
from tsdistill.swap.risk import largest_uncertainty, series_needed, upper_bound
from tsdistill.teachers.teacher import Teacher, as_teacher


class DeferringClassifier(ClassifierMixin, BaseEstimator):
    """A student that asks its teacher when in uncertainty, with a bound on how often they differ.

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
    falls, the error over the whole sequence is that of one test. Confidence is kept as its
    complement, the student's uncertainty, which is the sum of the other probabilities: so
    confidences that round to 1 are still told apart. Series for which the student's answer is NaN
    or infinite go to the teacher.

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
        check_share("max_disagreement", self.max_disagreement)
        check_share("confidence", self.confidence)
        if not (hasattr(self.student, "predict_proba") and Teacher(self.student).is_fitted):
            raise ParameterError(
                f"student={type(self.student).__name__} is not fitted, or has no predict_proba; "
                "fit it first."
            )
        as_given, (X, _, series_format) = X, read_series(self, X)
        self._check_enough_series(len(X))
        student = copy_of(self.student)
        models = ModelPair(student, self._bound_teacher(student, X))
        labels, uncertainty = models.read(models.student_proba(as_given, X))
        differs = labels != models.teacher_labels(X, recall=True)
        found = largest_uncertainty(uncertainty, differs, self.max_disagreement, self.confidence)
        return self._assign(models, series_format, uncertainty, differs, *found)

    def _check_enough_series(self, n):
        needed = series_needed(self.max_disagreement, self.confidence)
        if n < needed:
            raise PanelError(
                f"X has {n} series; to promise max_disagreement={self.max_disagreement} with "
                f"confidence={self.confidence} takes at least {needed}, and that many only if "
                "the student never differs from the teacher among them. Pass more series, or ask "
                "for less."
            )

    def _assign(self, models, series_format, uncertainty, differs, max_uncertainty, curve):
        """Make what was found the fitted state; nothing else sets it."""
        vars(self).pop("feature_names_in_", None)  # of an earlier fit
        vars(self).update(series_format.attributes())
        n, alone = len(uncertainty), uncertainty <= max_uncertainty
        n_alone, n_differ = int(alone.sum()), int((differs & alone).sum())
        self.student_, self.teacher_, self.classes_ = models.student, models.teacher, models.classes
        self._max_uncertainty, self.curve_ = max_uncertainty, curve
        self._promise = self.max_disagreement, self.confidence
        self.threshold_ = 1 - max_uncertainty
        self.n_calibration_ = n
        self.deferral_rate_ = float(1 - alone.mean())
        self.disagreement_ = n_differ / n
        self.disagreement_bound_ = float(upper_bound(n_differ, n, self.confidence))
        self.answered_disagreement_ = n_differ / n_alone if n_alone else float("nan")
        self.answered_disagreement_bound_ = (
            float(upper_bound(n_differ, n_alone, self.confidence)) if n_alone else float("nan")
        )
        return self

    def _bound_teacher(self, student, X):
        if self.teacher is None:
            own = getattr(holder_of(student), "teacher_", None)
            if not isinstance(own, Teacher):
                raise ParameterError(
                    f"teacher=None, but a {type(student).__name__} has no teacher of its own "
                    "that takes the same series; pass the teacher."
                )
            return own.whole(as_panel(X))
        teacher = as_teacher(self.teacher)
        if not teacher.is_fitted:
            raise ParameterError(f"teacher={teacher!r} is not fitted; fit it first.")
        return teacher.bind(X, None if teacher.is_named else np.asarray(student.classes_))

    @property
    def _models(self):
        return ModelPair(self.student_, self.teacher_)

    def _answer(self, X):
        """X as an array, the student's probabilities, and label and uncertainty of each series."""
        check_is_fitted(self, "threshold_")
        array = match_series(self, X)
        proba = self._models.student_proba(X, array)
        return array, proba, *self._models.read(proba)

    def defers(self, X):
        """For which series the teacher is asked.

        Parameters
        ----------
        X : array-like, of the number of axes, channels and timepoints of ``fit``

        Returns
        -------
        deferred : ndarray of shape (n_instances,), bool
        """
        return self._answer(X)[-1] > self._max_uncertainty

    def predict(self, X):
        """Labels: the student's where it is sure, else the teacher's.

        Parameters
        ----------
        X : array-like, of the number of axes, channels and timepoints of ``fit``

        Returns
        -------
        y : ndarray of shape (n_instances,)
        """
        X, _, labels, uncertainty = self._answer(X)
        labels = labels.astype(self.classes_.dtype)
        deferred = uncertainty > self._max_uncertainty
        if deferred.any():
            labels[deferred] = self._models.teacher_labels(X[deferred])
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
        X, own, _, uncertainty = self._answer(X)
        proba = np.zeros((len(X), len(self.classes_)))
        proba[:, self._models.student_index] = own
        deferred = uncertainty > self._max_uncertainty
        if deferred.any():
            answers = np.zeros((deferred.sum(), len(self.classes_)))
            answers[:, self._models.teacher_index] = np.exp(self._models.ask_teacher(X[deferred]))
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
        return super().get_params(deep=False)

    def set_params(self, **params):
        """Set parameters; those of the models inside, which are fitted, cannot be set."""
        inside = [name for name in params if "__" in name]
        if inside:
            raise ParameterError(
                f"{inside[0]} cannot be set: student and teacher are fitted, and used as they are."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        return type(self)(**self.get_params())

    def __deepcopy__(self, memo):
        return copied_around(self, [self.teacher], memo)

    def __repr__(self, N_CHAR_MAX=700):
        return short_constructor(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.target_tags.required = False
        return tags
