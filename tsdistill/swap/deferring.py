"""DeferringClassifier: the student answers where it is sure, else its teacher."""

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.holds_teacher import ShowsItsConstructor, copied_around
from tsdistill.estimators.scoring import ScoresLabels
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import check_share
from tsdistill.inputs.files import check_folder
from tsdistill.inputs.panel import as_panel, check_resolution
from tsdistill.inputs.series import match_series, read_series
from tsdistill.numerics.logits import proba_of
from tsdistill.swap.model_pair import ModelPair, bound_teacher, copy_of, holder_of
from tsdistill.swap.risk import (
    largest_uncertainty,
    series_needed,
    smallest_disagreement,
    upper_bound,
)
from tsdistill.teachers.teacher import Teacher


class DeferringClassifier(ShowsItsConstructor, ScoresLabels, ClassifierMixin, BaseEstimator):
    """A student that defers to its teacher when unsure, with a bound on how often they differ.

    ``fit`` finds a threshold on held-out series, which need no labels. If the student's
    probability of its prediction reaches the threshold, the student answers alone; otherwise the
    teacher is asked.

    A model's answer is the class to which it gives the highest probability. With probability
    ``confidence`` over the draw of the held-out series, the swap gives another answer than the
    teacher for at most ``max_disagreement`` of *all* future series. Deferred series, on which the
    two never differ, count among them. This guarantee holds for any student and any teacher,
    however bad, if future series are drawn as the series of ``fit`` were, and if neither model
    was trained on any of them.

    Parameters
    ----------
    student : fitted classifier
        A SaliencyDistilledClassifier, or anything with ``classes_`` and ``predict_proba``.
    teacher : classifier, torch.nn.Module, callable, Teacher or list of these, default=None
        A fitted teacher, as :class:`~tsdistill.SaliencyDistilledClassifier` takes it. None takes
        the student's own teacher, with all classes that it knows; for a student in a Pipeline
        the teacher has to be passed.
    max_disagreement : float in (0, 1), default=0.01
        Largest share of all series on which the swap may differ from the teacher.
    confidence : float in (0, 1), default=0.95
        Probability with which the guarantee holds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels that at least one of the models knows.
    student_ : classifier
        A copy of the student as it was in ``fit``, to which the guarantee applies; the student
        itself if it cannot be copied.
    teacher_ : Teacher
        The teacher, which is not copied: if it changes, fit the swap again.
    threshold_ : float
        The student answers alone if the probability of its prediction is at least this. 0 if it
        answers every series, infinity if it answers none.
    deferral_rate_ : float
        Share of the series of ``fit`` for which the teacher would be asked.
    disagreement_, disagreement_bound_ : float
        Share of all series of ``fit`` whose answer differs from the teacher's, and its exact
        upper bound at the level ``confidence``. The bound is at most ``max_disagreement``.
    answered_disagreement_, answered_disagreement_bound_ : float
        The same among the series that the student answers alone; NaN if it answers none. This
        bound is not guaranteed, because the threshold was chosen on the same series.
    n_calibration_ : int
        Number of series in ``fit``.
    curve_ : dict of str to ndarray of shape (n_thresholds,)
        For every threshold: "threshold", "deferral_rate", "disagreement" and "bound".

    Notes
    -----
    Fixed-sequence testing (Angelopoulos et al.: Learn then Test, arXiv 2110.01052): thresholds
    are tried from the strictest on, each with the exact binomial test of the hypothesis that the
    risk ``P(confidence >= threshold and student != teacher)``, with the student's confidence, is
    above ``max_disagreement``::

        sum_{j <= k} binom(n, j) a^j (1 - a)^(n - j) <= 1 - confidence

    with k disagreements among the n series and a = ``max_disagreement``. The test rejects if the
    inequality holds; the last threshold before the first that is not rejected is chosen. Since
    the risk can only grow as the threshold falls, the whole sequence has the error of a single
    test. Thresholds are compared in terms of the student's uncertainty, the sum of the
    probabilities of all other classes, which distinguishes probabilities that round to 1. Series
    for which the student's answer is NaN or infinite are deferred to the teacher.

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
        """Find the threshold from which the student answers alone.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints)
            Series drawn as future series are, on which neither model was trained.
        y : None
            Ignored.

        Returns
        -------
        self : DeferringClassifier

        Raises
        ------
        ParameterError
            If ``max_disagreement`` or ``confidence`` is not between 0 and 1, a model is not
            fitted, or there are too few series for any guarantee; the message gives the number
            needed, and what is possible with the series given.
        """
        check_share("max_disagreement", self.max_disagreement)
        check_share("confidence", self.confidence)
        if not (hasattr(self.student, "predict_proba") and Teacher(self.student).is_fitted):
            raise ParameterError(
                f"student={type(self.student).__name__} is not fitted, or has no predict_proba; "
                "fit it first."
            )
        form = getattr(holder_of(self.student), "_uneven_form", None)
        gaps = form is not None and form.gaps
        series = read_series(self, X, uneven=form is not None, gaps=gaps)
        as_given, (X, _, series_format) = X, series
        check_resolution(X, as_panel(X))
        self._check_enough_series(len(X))
        student = copy_of(self.student)
        models = ModelPair(student, bound_teacher(self.teacher, student, X, series_format.uneven))
        _, labels, uncertainty = models.student_answers(as_given, X)
        differs = labels != models.teacher_labels(X, use_cache=True)
        max_uncertainty, curve = largest_uncertainty(
            uncertainty, differs, float(self.max_disagreement), float(self.confidence)
        )
        return self._assign(models, series_format, uncertainty, differs, max_uncertainty, curve)

    def _check_enough_series(self, n):
        needed = series_needed(float(self.max_disagreement), float(self.confidence))
        if n < needed:
            possible = smallest_disagreement(n, float(self.confidence))
            larger = f": with {n} series {possible:.3g} is possible" if possible < 1 else ""
            raise ParameterError(
                f"max_disagreement={self.max_disagreement} with confidence={self.confidence} needs "
                f"at least {needed} series, and more if the student differs from the teacher on "
                f"any of them, but X has {n}. Pass more series, a smaller confidence, or a larger "
                f"max_disagreement{larger}."
            )

    def _assign(self, models, series_format, uncertainty, differs, max_uncertainty, curve):
        """Set the fitted attributes; nothing else sets them."""
        vars(self).pop("feature_names_in_", None)  # of an earlier fit
        vars(self).update(series_format.attributes())
        n, alone = len(uncertainty), uncertainty <= max_uncertainty
        n_alone, n_differ = int(alone.sum()), int((differs & alone).sum())
        self.student_, self.teacher_, self.classes_ = models.student, models.teacher, models.classes
        self._max_uncertainty, self.curve_ = max_uncertainty, curve
        self._guarantee = float(self.max_disagreement), float(self.confidence)
        self.threshold_ = 1 - max_uncertainty
        self.n_calibration_ = n
        self.deferral_rate_ = float(1 - alone.mean())
        self.disagreement_ = n_differ / n
        confidence = float(self.confidence)
        self.disagreement_bound_ = float(upper_bound(n_differ, n, confidence))
        self.answered_disagreement_ = n_differ / n_alone if n_alone else float("nan")
        self.answered_disagreement_bound_ = (
            float(upper_bound(n_differ, n_alone, confidence)) if n_alone else float("nan")
        )
        return self

    def save(self, path):
        """Write the fitted swap to a file, without pickle and without the teacher.

        Parameters
        ----------
        path : str or path

        Raises
        ------
        ExportError
            If the student is no SaliencyDistilledClassifier, nor a search over one.
        FolderMissingError, FolderGivenError, MissingExtraError
            See :meth:`tsdistill.SaliencyDistilledClassifier.save`.
        """
        from tsdistill.export.archive import write_archive
        from tsdistill.swap.saving import saved_swap

        check_is_fitted(self, "threshold_")
        check_folder(path)
        write_archive(path, *saved_swap(self))

    @classmethod
    def load(cls, path, *, teacher=None, student=None, device="cpu"):
        """Read a fitted swap from a file that :meth:`save` wrote.

        Parameters
        ----------
        path : str or path
        teacher : classifier, torch.nn.Module, callable, Teacher or list of these, default=None
            The fitted teacher. Without it ``defers`` works, and ``predict`` raises a TeacherError
            when a series is deferred.
        student, device
            See :meth:`tsdistill.SaliencyDistilledClassifier.load`.

        Returns
        -------
        swap : DeferringClassifier

        Raises
        ------
        FileMissingError, SavedFileError, StudentError, TeacherError, MissingExtraError
            See :meth:`tsdistill.SaliencyDistilledClassifier.load`.
        """
        from tsdistill.export.archive import read_archive
        from tsdistill.swap.saving import restored_swap

        parameters, fitted = restored_swap(
            *read_archive(path), teacher=teacher, student=student, device=device
        )
        swap = cls(**parameters)
        vars(swap).update(fitted)
        return swap

    @property
    def _models(self):
        return ModelPair(self.student_, self.teacher_)

    def _student_answers(self, X):
        """X as an array, and the student's probabilities, labels and uncertainties."""
        check_is_fitted(self, "threshold_")
        array = match_series(self, X)
        return array, *self._models.student_answers(X, array)

    def defers(self, X):
        """Tell for which series the teacher is asked.

        Parameters
        ----------
        X : array-like, with the axes, channels and timepoints of the series of ``fit``

        Returns
        -------
        deferred : ndarray of shape (n_instances,), bool
        """
        _, _, _, uncertainty = self._student_answers(X)
        return uncertainty > self._max_uncertainty

    def predict(self, X):
        """Labels of the series: the student's where it is sure, else the teacher's.

        Parameters
        ----------
        X : array-like, with the axes, channels and timepoints of the series of ``fit``

        Returns
        -------
        y : ndarray of shape (n_instances,)
        """
        X, _, labels, uncertainty = self._student_answers(X)
        labels = labels.astype(self.classes_.dtype)
        deferred = uncertainty > self._max_uncertainty
        if deferred.any():
            labels[deferred] = self._models.teacher_labels(X[deferred])
        return labels

    def predict_proba(self, X):
        """Probabilities of ``classes_``, from the model that answers each series.

        Parameters
        ----------
        X : array-like, with the axes, channels and timepoints of the series of ``fit``

        Returns
        -------
        proba : ndarray of shape (n_instances, n_classes), float64
            0 for a class that the answering model does not know. Probabilities that a teacher
            gives are raised to 1e-4, and then scaled if it has a scale, see the notes of
            :class:`~tsdistill.Teacher`.
        """
        X, student_proba, _, uncertainty = self._student_answers(X)
        models = self._models
        proba = models.over_all_classes(student_proba, models.student.classes_)
        deferred = uncertainty > self._max_uncertainty
        if deferred.any():
            teacher_proba = proba_of(models.teacher_log_proba(X[deferred]))
            proba[deferred] = models.over_all_classes(teacher_proba, models.teacher.classes_)
        return proba

    def plot(self, *, ax=None):
        """Draw the share of disagreements against the share of deferred series.

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
        """Parameters by name. ``deep`` is ignored, since the models inside are fitted."""
        return super().get_params(deep=False)

    def set_params(self, **params):
        """Set parameters of the swap; the models inside are fitted, and theirs cannot be set."""
        inside = [name for name in params if "__" in name]
        if inside:
            raise ParameterError(
                f"{inside[0]} cannot be set: student and teacher are fitted, and used as they are. "
                "Pass another student or teacher."
            )
        return super().set_params(**params)

    def __sklearn_clone__(self):
        return type(self)(**self.get_params())

    def __deepcopy__(self, memo):
        return copied_around(self, [self.teacher], memo)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        form = getattr(holder_of(self.student), "_uneven_form", None)
        tags.input_tags.allow_nan = form is not None and form.gaps
        tags.target_tags.required = False
        return tags
