"""DeferringClassifier: the student answers where it is sure, else its teacher."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.holds_teacher import ShowsItsConstructor, copied_around
from tsdistill.estimators.scoring import ScoresLabels
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.panel import as_panel, check_resolution
from tsdistill.inputs.series import read_series
from tsdistill.inputs.types import Device, Path, Series
from tsdistill.swap.answering import AnswersOrDefers
from tsdistill.swap.model_pair import ModelPair, bound_teacher, check_fitted, copy_of, holder_of
from tsdistill.swap.promises import ANSWERED, CalibrationAnswers, PromiseName, Promises, share_of
from tsdistill.swap.reasons import check_has_maps, check_knows_classes, unlike_maps
from tsdistill.swap.reference import Reference
from tsdistill.swap.risk import risk_curve
from tsdistill.teachers.types import TeacherLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import Self

    from tsdistill.display import DeferralDisplay
    from tsdistill.estimators.types import StudentLike
    from tsdistill.inputs.series import SeriesFormat


class DeferringClassifier(
    AnswersOrDefers, ShowsItsConstructor, ScoresLabels, ClassifierMixin, BaseEstimator
):
    """A student that defers to its teacher when unsure, with a bound on how often they differ.

    ``fit`` finds a threshold on held-out series, which need no labels. If the student's
    probability of its prediction reaches the threshold, the student answers alone; otherwise the
    teacher is asked.

    A model's answer is the class to which it gives the highest probability. With probability
    ``confidence`` over the draw of the held-out series, the swap keeps all that is promised: with
    ``promise="all"``, it gives another answer than the teacher for at most ``max_disagreement``
    of *all* future series. Deferred series, on which the two never differ, count among them. This
    guarantee holds for any student and any teacher, however bad, if future series are drawn as the
    series of ``fit`` were, and if neither model was trained on any of them.

    Parameters
    ----------
    student : fitted classifier
        A SaliencyDistilledClassifier, or anything with ``classes_`` and ``predict_proba``.
    teacher : classifier, torch.nn.Module, callable, Teacher or list of these, default=None
        A fitted teacher, as :class:`~tsdistill.SaliencyDistilledClassifier` takes it. None takes
        the student's own teacher, with all classes that it knows; for a student in a Pipeline
        the teacher has to be passed.
    max_disagreement : float in (0, 1), default=0.01
        Largest share of series on which the swap may differ from the teacher.
    confidence : float in (0, 1), default=0.95
        Probability with which all promises hold.
    promise : {"all", "answered", "class"} or list of these, default="all"
        Of which series ``max_disagreement`` is a share. "all": all future series. "answered":
        those that the student answers alone. "class": for every class that the teacher knows,
        those for which the teacher names it; ``fit`` then needs enough series of each class. The
        last two are stricter, and imply "all". Of a list all promises hold at once.
    min_saliency : float in (-1, 1), default=None
        Promise the student's reasons, too: at most ``max_unlike`` of all future series are
        answered alone although the saliency maps of both models correlate by less than this. The
        student must be a SaliencyDistilledClassifier, or a search over one.
    max_unlike : float in (0, 1), default=0.05
        See ``min_saliency``.

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
    promises_ : dict of str to dict
        For "all", "answered" and "class", if promised, and "saliency" with ``min_saliency``: the
        "share" among the "n" series of ``fit`` that it is taken of, its exact upper "bound", and
        the "limit", which is guaranteed and which the bound does not exceed. "class" is the class
        of the highest bound. NaN for "answered" if the student answers none.
    class_disagreement_ : dict of label to dict
        "share", "bound" and "n" of every class that the teacher knows, whatever was promised.
        Empty if the swap was loaded from a file without them.
    disagreement_, disagreement_bound_ : float
        Share of all series of ``fit`` whose answer differs from the teacher's, and its exact
        upper bound at the level ``confidence``. With "all" or "answered" it is at most
        ``max_disagreement``.
    answered_disagreement_, answered_disagreement_bound_ : float
        The same among the series that the student answers alone; NaN if it answers none. With
        "answered" this bound is guaranteed, and at most ``max_disagreement``. Otherwise it is
        not, because the threshold was chosen on the same series.
    n_calibration_ : int
        Number of series in ``fit``.
    curve_ : dict of str to ndarray of shape (n_thresholds,)
        For every threshold: "threshold", "deferral_rate", "disagreement" and "bound", of all
        series.

    See Also
    --------
    SwapMonitor : Watches in use whether the promises are kept.
    SwapContract : Checks before the swap what held-out series show.

    Notes
    -----
    Every promise is tested by exact binomial tests (Clopper-Pearson), such as, for "all", of the
    hypothesis that the risk ``P(confidence >= threshold and student != teacher)``, with the
    student's confidence, is above ``max_disagreement``::

        sum_{j <= k} binom(n, j) a^j (1 - a)^(n - j) <= 1 - confidence

    with k disagreements among the n series and a = ``max_disagreement``. The test rejects if the
    inequality holds. The lowest threshold at which all tests reject is chosen.

    "all", "class" and the reasons are risks that can only grow as the threshold falls. So the
    whole sequence of thresholds has the error of a single test (fixed-sequence testing;
    Angelopoulos et al.: Learn then Test, arXiv 2110.01052), and all these risks, one for each
    class too, hold together without a correction (intersection-union tests; Berger 1982):
    :mod:`tsdistill.swap.risk`. That of "answered" may rise and fall; at most ten thresholds, of
    ranks fixed in advance, share its error, which is half of the whole beside "class" or reasons:
    :mod:`tsdistill.swap.answered`.

    Thresholds are compared in terms of the student's uncertainty, the sum of the probabilities of
    all other classes, which distinguishes probabilities that round to 1. Series for which the
    student's answer is NaN or infinite are deferred to the teacher.

    Saliency maps are those of ``fidelity_score(metric="saliency")``: by occlusion, for the class
    that the teacher names. Each costs the teacher some 30 queries (more if ``window_size`` is
    small), in ``fit`` alone and only for series that the other promises let the student answer.
    Maps without a correlation, because one is constant or the student does not know the class,
    count as unlike.

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
    >>> swap.set_params(max_disagreement=0.05, promise=["answered", "class"]).fit(X_new[:600])
    DeferringClassifier(...)
    >>> [name for name, found in swap.promises_.items() if found["bound"] <= found["limit"]]
    ['answered', 'class']
    """

    def __init__(
        self,
        student: Any,
        teacher: TeacherLike = None,
        max_disagreement: float = 0.01,
        confidence: float = 0.95,
        promise: PromiseName | Sequence[PromiseName] = "all",
        min_saliency: float | None = None,
        max_unlike: float = 0.05,
    ) -> None:
        self.student = student
        self.teacher = teacher
        self.max_disagreement = max_disagreement
        self.confidence = confidence
        self.promise = promise
        self.min_saliency = min_saliency
        self.max_unlike = max_unlike

    def fit(self, X: Series, y: object = None) -> Self:
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
        DeferringClassifier
            The swap itself, fitted.

        Raises
        ------
        ParameterError
            If a parameter is out of its range, a model is not fitted, the student has no maps for
            ``min_saliency``, or there are too few series for what is promised, of all or of a
            class; the message gives the number needed, and what is possible with the series
            given. For a class that the teacher knows, but never names here, "class" is refused.
        """
        promises = Promises.of(self.get_params())
        check_fitted(self.student)
        if promises.min_saliency is not None:
            check_has_maps(self.student)
        form = getattr(holder_of(self.student), "_uneven_form", None)
        gaps = form is not None and form.gaps
        series = read_series(self, X, uneven=form is not None, gaps=gaps)
        as_given, (X, _, series_format) = X, series
        check_resolution(X, as_panel(X))
        promises.check_enough_series(len(X))
        student = copy_of(self.student)
        models = ModelPair(student, bound_teacher(self.teacher, student, X, series_format.uneven))
        if promises.min_saliency is not None:
            check_knows_classes(student, models.teacher)
        _, labels, uncertainty = models.student_answers(as_given, X)
        teacher_labels = models.teacher_labels(X, use_cache=True)
        known = models.teacher.classes_
        answers = CalibrationAnswers.of(labels, teacher_labels, uncertainty, known)
        promises.check_enough_of_each_class(answers.named)
        largest = promises.largest_uncertainty(answers)
        if promises.min_saliency is not None:
            unlike = unlike_maps(
                models, X, teacher_labels, uncertainty <= largest, promises.min_saliency,
                series_format.uneven,
            )  # fmt: skip
            answers = dataclasses.replace(answers, unlike=unlike)
            largest = promises.largest_uncertainty(answers)  # not larger than without the maps
        reference = Reference.of(uncertainty, X)
        return self._assign(models, series_format, promises, answers, largest, reference)

    def _assign(
        self,
        models: ModelPair,
        series_format: SeriesFormat,
        promises: Promises,
        answers: CalibrationAnswers,
        largest: float,
        reference: Reference,
    ) -> Self:
        """Set the fitted attributes; nothing else sets them."""
        self.__dict__.pop("feature_names_in_", None)  # of an earlier fit
        self.__dict__.update(series_format.attributes())
        alone, confidence = answers.uncertainty <= largest, promises.confidence
        n_differ = (answers.differs & alone).sum()
        of_all = share_of(n_differ, len(alone), confidence)
        of_answered = share_of(n_differ, alone.sum(), confidence)
        self.student_, self.teacher_, self.classes_ = models.student, models.teacher, models.classes
        self._max_uncertainty, self._reference = largest, reference
        self.curve_ = risk_curve(answers.uncertainty, answers.differs, confidence)
        self._guarantee = promises.max_disagreement, confidence
        self.threshold_, self.n_calibration_ = 1 - largest, len(alone)
        self.deferral_rate_ = float(1 - alone.mean())
        self.promises_, self.class_disagreement_ = promises.shares(answers, largest)
        of_answered = self.promises_.get(ANSWERED, of_answered)
        self.disagreement_, self.disagreement_bound_ = of_all["share"], of_all["bound"]
        self.answered_disagreement_ = of_answered["share"]
        self.answered_disagreement_bound_ = of_answered["bound"]
        return self

    def save(self, path: Path) -> None:
        """Write the fitted swap to a file, without pickle and without the teacher.

        Parameters
        ----------
        path : str or path
            Its folder has to exist. An older file is replaced once the new one is complete.

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
        write_archive(path, *saved_swap(self))

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        teacher: TeacherLike = None,
        student: StudentLike | None = None,
        device: Device = "cpu",
    ) -> Self:
        """Read a fitted swap from a file that :meth:`save` wrote.

        Parameters
        ----------
        path : str or path
            The file.
        teacher : classifier, torch.nn.Module, callable, Teacher or list of these, default=None
            The fitted teacher. Without it ``defers`` works, and ``predict`` raises a TeacherError
            when a series is deferred.
        student : torch.nn.Module, callable or skorch.NeuralNetClassifier, default=None
            See :meth:`tsdistill.SaliencyDistilledClassifier.load`.
        device : str or torch.device, default="cpu"
            Where the student predicts.

        Returns
        -------
        DeferringClassifier

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
        swap.__dict__.update(fitted)
        return swap

    def plot(self, *, ax: Axes | None = None) -> DeferralDisplay:
        """Draw the share of disagreements against the share of deferred series.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        DeferralDisplay
            Its ``ax_`` and ``figure_`` can be changed.
        """
        from tsdistill.display import DeferralDisplay

        return DeferralDisplay.from_estimator(self, ax=ax)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name. ``deep`` is ignored, since the models inside are fitted."""
        parameters: dict[str, Any] = super().get_params(deep=False)
        return parameters

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the swap; the models inside are fitted, and theirs cannot be set."""
        inside = [name for name in params if "__" in name]
        if inside:
            raise ParameterError(
                f"{inside[0]} cannot be set: student and teacher are fitted, and used as they are. "
                "Pass another student or teacher."
            )
        super().set_params(**params)
        return self

    def __sklearn_clone__(self) -> Self:
        return type(self)(**self.get_params())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copied_around(self, [self.teacher], memo)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        form = getattr(holder_of(self.student), "_uneven_form", None)
        tags.input_tags.allow_nan = form is not None and form.gaps
        tags.target_tags.required = False
        return tags
