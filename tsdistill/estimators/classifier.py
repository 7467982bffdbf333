"""SaliencyDistilledClassifier, the estimator: its parameters, ``fit``, and what it answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from tsdistill.estimators.fit_inputs import read_fit_inputs
from tsdistill.estimators.gives_reasons import GivesReasons
from tsdistill.estimators.has_model_card import HasModelCard
from tsdistill.estimators.holds_teacher import HoldsTeacher
from tsdistill.estimators.leaves_python import LeavesPython
from tsdistill.estimators.scoring import ScoresLabels
from tsdistill.estimators.settings import check_settings, devices_of, objectives_of, recipe_of
from tsdistill.estimators.types import (
    ClassWeight,
    Donors,
    Memory,
    Missing,
    SaliencyMeasure,
    StudentLike,
)
from tsdistill.exceptions import ParameterError
from tsdistill.inputs.panel import as_panel
from tsdistill.inputs.series import match_series
from tsdistill.inputs.stored import StoredPanel, opened
from tsdistill.inputs.stored_series import match_stored
from tsdistill.inputs.types import (
    Device,
    Float32Array,
    LabelArray,
    RandomSource,
    Series,
)
from tsdistill.numerics.logits import centred, proba_of
from tsdistill.numerics.random_states import global_states_kept, untouched_by_a_teacher
from tsdistill.objectives.base import Objective
from tsdistill.teachers.cache import as_memory
from tsdistill.teachers.chunks import in_parts
from tsdistill.teachers.fingerprint import with_fingerprint
from tsdistill.teachers.querying import QueryOptions, query
from tsdistill.teachers.store_size import bytes_of
from tsdistill.teachers.teacher import Teacher, as_teacher
from tsdistill.teachers.types import TeacherLike
from tsdistill.training.distil import distil
from tsdistill.training.recipe import DONORS_OF_MEASURES, Seeds
from tsdistill.training.start import start_transfer_set

if TYPE_CHECKING:
    from typing_extensions import Self

    from tsdistill.inputs.series import SeriesFormat
    from tsdistill.training.distil import Distilled
    from tsdistill.training.transfer_set import TransferSet


class SaliencyDistilledClassifier(
    HoldsTeacher,
    GivesReasons,
    LeavesPython,
    HasModelCard,
    ScoresLabels,
    ClassifierMixin,
    BaseEstimator,
):
    """A small network that gives a teacher's answers for the teacher's reasons.

    ``fit`` asks the teacher once about the training series and about copies of them in which
    a window was replaced by that of another series. The student learns the answers (soft
    targets) and what each window changed (temporal saliency)::

        L = label_weight * CE(student, y)
          + soft_target_weight * tau^2 * KL(teacher || student), for series and for copies
          + saliency_weight * mean SmoothL1(student saliency, teacher saliency)
          + auxiliary objectives

    Parameters
    ----------
    teacher : classifier, torch.nn.Module, callable, Teacher, or list of these
        The model to replace. A fitted teacher is used as it is and never copied, cloned or
        changed; an unfitted one is cloned and fitted on the labelled series of ``fit``. It
        needs ``predict_proba`` or else ``decision_function``; a bare module gives logits, a
        callable gives probabilities. The teacher is given arrays in the shape of X, 2-D or 3-D;
        if it refuses these and the series have one channel, it is given the other shape. Wrap
        it in :class:`~tsdistill.Teacher` to name the classes of a bare module or callable, to
        scale its logits (those found inside classifiers that answer 0 or 1 are scaled by the
        labels of ``fit``), to wait for its answers for a limited time, and to use a fitted teacher
        as a *value* in a search grid, where scikit-learn would clone it.
    student : str, Student, torch.nn.Module, callable or skorch.NeuralNetClassifier, \
            default="lite"
        The network to train: "lite", "inception", "fcn", "resnet", "gru"; a configuration of
        :mod:`tsdistill.students`; a module (copied, training starts from its weights); a
        factory ``(n_channels, n_timepoints, n_classes) -> module``; or an unfitted skorch
        net, whose own epochs, batch size, optimiser, learning rate, device and callbacks are
        used in place of those below, while the objectives replace its criterion and
        ``validation_fraction`` replaces its ``train_split``. Every student takes series in 3-D
        and gives logits; in a skorch net with ``NLLLoss`` it may give probabilities.
    label_weight : float, default=0.1
        Weight of the cross-entropy with the labels.
    soft_target_weight : float, default=1.0
        Weight of the soft targets: those of the series, and with ``saliency="logit_change"`` also
        those of their perturbed copies, which cost no further queries.
    saliency_weight : float, default=None
        Weight of the temporal saliency. None: 5 with ``saliency="logit_change"`` and "gradient",
        1 with the other measures, which are invariant to scale and not meant for more. 0 is plain
        knowledge distillation, for which the teacher is asked about the series alone.
    temperature : float, default=4.0
        The tau, from 0.01 to 1000, of the soft targets and of the saliencies "class", "sum" and
        "decoupled".
    saliency : {"logit_change", "class", "sum", "decoupled", "gradient"}, default="logit_change"
        How the effect of a window is measured, see
        :class:`~tsdistill.objectives.TemporalSaliency`. "gradient" compares gradients instead of
        windows, see :class:`~tsdistill.objectives.GradientSaliency`, and needs a teacher made of
        torch modules.
    auxiliary : Objective or list of Objective, default=None
        Further terms of the loss, from :mod:`tsdistill.objectives` or your own. Their
        parameters can be set and searched: those of a single objective as
        ``auxiliary__weight``, those of an objective in a list by its name, as
        ``auxiliary__temporal_review__weight``.
    window_size : int or float, default=0.1
        Length of a window, in timesteps (int) or as a fraction of the series (float).
    n_windows : int, default=None
        Windows of each series (and mixture) about which the teacher is asked. None asks about
        4,000 windows in all, between 3 (without mixtures 8, or 4 where those are more than
        12,000) and 64 of each.
    n_mixtures : int, default=None
        Mixtures of two training series, which the teacher answers too: series that it cannot
        know by heart. None: with ``saliency="logit_change"`` as many as series, but at least 400;
        from 1,000 series on none, unless the teacher knows these by heart (then at most 2,000);
        none for the published methods, for plain knowledge distillation, and beside an
        ``ExplanationAutoencoder``, which makes mixtures of its own. If the teacher loses its
        certainty as soon as a little of another series is mixed in, ``fit`` tries on held-out
        series whether mixtures mislead, and leaves them out if so (``MixturesLeftOutWarning``).
    n_queries : int, default=None
        Most questions to the teacher, series included, that a fit may ask: mixtures and windows
        are fewer, or windows more (up to 64), than in the default. Not counted is what other
        objectives ask on their own account (``auxiliary``, and ``saliency="gradient"``), and the
        few questions by which ``memory`` recognises a teacher and ``fit`` the form of its
        answers.
    windows_per_step : int or float, default=1
        Perturbed copies of each series in a training step. The windows take turns. Below 1, it
        is the share of the series that have one copy in a step. With mixtures, an epoch takes so
        many series that it holds at most 1.5 inputs, copies included, for each series of X (2 in
        a training of fewer than 1,500 steps, or of a teacher that answers 0 and 1 alone).
    donors : {"varied", "opposing", "same", "any", "mean", "zero", "noise"} or None, default=None
        What replaces a window: the same window of a series of another class, of the same
        class, or of any class; each channel's mean; zeros; or noise. "varied" is "opposing" for
        half of the windows, while a quarter become flat, and a quarter a straight line. None is
        "varied", but "opposing" with the published measures ("class", "sum", "decoupled"), and
        if ``max_epochs`` gives fewer than 1,500 steps, which have none to spare.
    max_epochs : int, default=None
        None trains for about 2,000 steps with two classes, and with more classes for
        sqrt(n_classes / 2) times as many; and for at least 50 epochs.
    batch_size : int, default=32
        Series in a step, not counting their perturbed copies.
    lr : float, default=0.01
        Peak of the learning rate, which warms up and then falls to zero. With an ``LRScheduler``
        in ``callbacks``, that one decides, and this is the rate with which it starts.
    device : str or torch.device, default="cpu"
        Where the student trains and predicts, and where a torch teacher is run.
    callbacks : list of skorch callbacks, default=None
        Added to those of the net. Each fit works on copies, as of a skorch student's own, which
        share the arguments of their constructors (writers, runs, trials). What they record is in
        ``history_`` and ``student_.history``. They see the terms of the loss, and scoring
        callbacks see the series with class indices as labels.
    validation_fraction : float, default=None
        Share of the series of each class to hold out. The weights of the epoch with the lowest
        held-out loss are kept. Held-out series still serve as donors, and for standardisation.
        None trains on all series and keeps the weights of the last epoch.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class in every term of the loss, by label, which multiplies
        ``sample_weight``. "balanced" weighs each class by the inverse of its frequency. The
        class of a series without a label is the teacher's prediction.
    missing : {"refuse", "mask"}, default="refuse"
        Whether NaN before the end of a series is an error, or a gap. With "mask" the student sees
        each channel with its gaps filled by straight lines between the values beside them (at an
        end, by the nearest value), and a further channel that says where they were; the teacher
        sees NaN. Modules, factories and skorch nets of your own see NaN, too (means, if they begin
        with a ``Standardise`` of this library).
    warm_start : bool, default=False
        Whether a second ``fit`` trains the student of the first one further, for
        ``max_epochs`` more epochs and through one more cycle of the learning rate. If series,
        labels, teacher and the settings of the windows are the same, the teacher is not asked
        again, and the windows and the held-out series stay the same; the settings of the loss
        and of the training may differ. The estimator keeps the series and the teacher's answers
        for this. A fitted teacher that changed between the fits is asked again if its content
        shows the change, that is, if it can be pickled and queries do not change it.
    memory : None, str, path or joblib.Memory, default=None
        Where the teacher's answers are kept, to be shared by fits, scores, candidates of a
        search and processes. Windows are drawn from ``random_state``, so without an int no fit
        asks about the same windows twice. A teacher is recognised by its answers to at most 64
        queries, which every fit makes, and by its content, if it can be pickled and queries do
        not change it. Each batch of at most 256 answers is kept as soon as it is given, so a fit
        that was interrupted goes on from there, on another machine with the same folder too;
        fits that run at the same time ask about each batch once. Of a ``joblib.Memory`` only the
        folder is used. Nothing in the files is pickled.
    memory_size : None, int or str, default=None
        What the answers kept by ``memory`` may take on the disk, in bytes or as "500 MB" or
        "10 GB" (powers of 1000). If there is more, those go first that were not used for
        longest. None is no bound. ``python -m tsdistill memory FOLDER`` shows the size.
    n_jobs : int, default=None
        Number of joblib workers among which the queries to a black-box teacher are spread. None
        means 1 unless in a :func:`joblib.parallel_config` context, such as that of a Dask
        cluster, on which every number but 1 uses all workers. The answers, and so the student,
        do not depend on it. Torch teachers run in this process.
    random_state : None, int, numpy.random.RandomState or numpy.random.Generator, default=None
        Determines windows, donors, initial weights and the order of training. The same int
        gives the same student on the same device.
    verbose : int, default=0
        Above 0: progress bars for the queries to the teacher and for the epochs.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels.
    teacher_ : Teacher
        The fitted teacher, bound to ``classes_``.
    student_ : skorch.NeuralNetClassifier
        The trained student; ``student_.module_`` is the bare network.
    history_ : list of dict
        One dict for each epoch: ``epoch``, ``dur`` (seconds), ``train_loss``, ``valid_loss``
        if series are held out, and the unweighted value of each term by its name: ``label``,
        ``soft_targets``, ``saliency``, ``perturbed_soft_targets`` (those of the copies), and the
        names of the ``auxiliary`` objectives.
    n_queries_ : int
        Questions to the teacher on which the student rests, as ``n_queries`` counts them,
        whether they were asked in this fit or their answers kept.
    n_channels_in_, n_timepoints_in_ : int
        Channels and timepoints of the series of ``fit``.
    n_features_in_ : int
        The second axis of X in ``fit``, as scikit-learn counts: timepoints in 2-D, channels
        in 3-D.

    See Also
    --------
    tsdistill.sktime.SaliencyDistilledTSC : The same as a classifier of sktime.
    DeferringClassifier : Asks the teacher where the student is not sure.
    size_path : Students of several sizes of one teacher.

    Notes
    -----
    ``fit`` restores the global random states of Python, NumPy and torch. A ``fit`` that fails
    leaves the estimator as it was. As in skorch, a keyboard interrupt during training ends the
    training early and keeps the student trained so far.

    References
    ----------
    Temporal Saliency Distillation, ECAI 2025, DOI 10.3233/FAIA251144, arXiv 2601.04263; the
    default measure "logit_change" is this library's.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sktime.datasets import load_gunpoint
    >>> from tsdistill import SaliencyDistilledClassifier
    >>> X, y = load_gunpoint(split="train", return_type="numpyflat")
    >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
    >>> student = SaliencyDistilledClassifier(teacher, max_epochs=20, random_state=0).fit(X, y)
    >>> student.predict(X[:3]).shape, student.explain(X[:3]).shape
    ((3,), (3, 150))
    """

    teacher_: Teacher
    history_: list[dict[str, Any]]
    n_queries_: int
    n_features_in_: int
    panel_ndim_: int

    def __init__(
        self,
        teacher: TeacherLike,
        student: StudentLike = "lite",
        *,
        label_weight: float = 0.1,
        soft_target_weight: float = 1.0,
        saliency_weight: float | None = None,
        temperature: float = 4.0,
        saliency: SaliencyMeasure = "logit_change",
        auxiliary: Objective | Sequence[Objective] | None = None,
        window_size: float = 0.1,
        n_windows: int | None = None,
        n_mixtures: int | None = None,
        n_queries: int | None = None,
        windows_per_step: float = 1,
        donors: Donors | None = None,
        max_epochs: int | None = None,
        batch_size: int = 32,
        lr: float = 0.01,
        device: Device = "cpu",
        callbacks: Sequence[Any] | None = None,
        validation_fraction: float | None = None,
        class_weight: ClassWeight | None = None,
        missing: Missing = "refuse",
        warm_start: bool = False,
        memory: Memory | None = None,
        memory_size: int | str | None = None,
        n_jobs: int | None = None,
        random_state: RandomSource = None,
        verbose: int = 0,
    ) -> None:
        self.teacher = teacher
        self.student = student
        self.label_weight = label_weight
        self.soft_target_weight = soft_target_weight
        self.saliency_weight = saliency_weight
        self.temperature = temperature
        self.saliency = saliency
        self.auxiliary = auxiliary
        self.window_size = window_size
        self.n_windows = n_windows
        self.n_mixtures = n_mixtures
        self.n_queries = n_queries
        self.windows_per_step = windows_per_step
        self.donors = donors
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.callbacks = callbacks
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.missing = missing
        self.warm_start = warm_start
        self.memory = memory
        self.memory_size = memory_size
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Series,
        y: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        X_unlabelled: Series | None = None,
    ) -> Self:
        """Ask the teacher about the series, and train the student on its answers.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints), or one of sktime's panel formats
            Training series, with finite values, but see ``missing``. They may differ in length:
            in a list or object array of arrays, in sktime's formats, or in one array padded with
            NaN after their end. A memory map, or an array of Zarr, Dask or h5py, that is larger
            than 32 MiB in float32 is read a batch at a time and shuffled in blocks; then the
            teacher has to be fitted, and the series have to be of one length.
        y : array-like of shape (n_instances,), default=None
            Labels of any kind. Without them a fitted teacher labels the series.
        sample_weight : array-like of shape (n_instances,), default=None
            Weight of each series in every term of the loss, 0 or more. A weight of 2 counts as
            two equal series; series of X_unlabelled have weight 1. An unfitted teacher whose
            ``fit`` takes weights, or the last step of a Pipeline, is given the weights times
            those of ``class_weight``.
        X_unlabelled : array-like, shaped as X, default=None
            Further series, which only the teacher labels.

        Returns
        -------
        SaliencyDistilledClassifier
            The estimator itself, fitted.

        Raises
        ------
        PanelError, ParameterError, TeacherError, StudentError
            Before the training starts; all of them are ValueErrors.
        TrainingError
            If the loss becomes NaN or infinite, the student or a callback fails, or memory does
            not hold a step.
        KeyboardInterrupt
            If an interrupt comes before an epoch was completed. After it, as after any error, the
            estimator is as it was before.
        """
        check_settings(self)
        objectives = objectives_of(self)
        seeds = Seeds.draw(self.random_state)
        continues = self.warm_start and hasattr(self, "student_")
        with global_states_kept(seeds.training, *devices_of(self)):
            teacher = as_teacher(self.teacher)
            series, series_format = read_fit_inputs(
                self, teacher, X, y, sample_weight, X_unlabelled, continues=continues
            )
            recipe = recipe_of(self, objectives, series)
            with untouched_by_a_teacher(*devices_of(self)):
                transfer_set = start_transfer_set(
                    teacher,
                    series,
                    previous=getattr(self, "_transfer_set", None) if self.warm_start else None,
                    keep_source=self.warm_start,
                    seed=seeds.teacher,
                )
            if continues:
                self._check_same_classes(transfer_set.teacher.classes_)
                if self.donors is None and self.saliency not in DONORS_OF_MEASURES:
                    recipe = recipe.keeping_windows_of(transfer_set)
            distilled = distil(
                transfer_set,
                recipe,
                series.sample_weight,
                self._kept(QueryOptions(self.device, self.n_jobs, verbose=self.verbose)),
                seeds,
                previous=self.student_ if continues else None,
            )
            kept = distilled.transfer_set.settled() if self.warm_start else None
            return self._assign(distilled, series_format, kept, continues)

    def _check_same_classes(self, classes: LabelArray) -> None:
        """Refuse to train a student further on other classes."""
        if not np.array_equal(classes, self.classes_):
            raise ParameterError(
                f"warm_start=True trains a student of the classes {self.classes_.tolist()} "
                f"further, but these series have {classes.tolist()}; pass series of the same "
                "classes, or warm_start=False."
            )

    def _assign(
        self,
        distilled: Distilled,
        series_format: SeriesFormat | None,
        transfer_set: TransferSet | None,
        continues: bool,
    ) -> Self:
        """Set the fitted attributes; only a fingerprint is given to ``teacher_`` later.

        All at once, since another thread may be asking for predictions.
        """
        fitted = {} if series_format is None else series_format.attributes()
        fitted |= {
            "teacher_": distilled.teacher,
            "classes_": distilled.teacher.classes_,
            "student_": distilled.student,
            "history_": distilled.history,
            "n_queries_": distilled.n_queries,
            "_baselines": distilled.baselines,
            "_window_width": distilled.width,
            "_terms": distilled.terms | self._terms if continues else distilled.terms,
            "_transfer_set": transfer_set,
        }
        if series_format is not None and "feature_names_in_" not in fitted:
            self.__dict__.pop("feature_names_in_", None)  # of an earlier fit
        before = dict(vars(self))  # so that nothing is freed, and no other thread runs, meanwhile
        self.__dict__.update(fitted)
        del before
        return self

    def _forget_transfer_set(self) -> None:
        """Drop what only a further fit with ``warm_start`` would need."""
        self._transfer_set = None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing == "mask"
        return tags

    @property
    def _student_model(self) -> Teacher:
        fitted = dict(vars(self))  # of one fit, though another thread may end the next one
        return Teacher.of_student(fitted["student_"], fitted["classes_"])

    def _panel(self, X: Series) -> Float32Array | StoredPanel:
        if "student_" not in vars(self):
            check_is_fitted(self, "student_")
        found = opened(X)
        if isinstance(found, StoredPanel):
            match_stored(self, found, X)
            return found
        return as_panel(match_series(self, found))

    def _student_log_proba(self, X: Series) -> Float32Array:
        return self._answers_and_labels(X)[0]

    def _answers_and_labels(self, X: Series) -> tuple[Float32Array, LabelArray]:
        """The student's log-probabilities, and the labels of their columns."""
        panel, student = self._panel(X), self._student_model
        return query(student, panel, QueryOptions(student.model.device)), student.classes_

    def _options(self, verbose: int = 0) -> QueryOptions:
        """How the student is queried."""
        return QueryOptions(self.student_.device, self.n_jobs, None, verbose)

    def _teacher_options(self) -> QueryOptions:
        """How the teacher is queried; its answers are kept where ``memory`` says so."""
        return self._kept(self._options(self.verbose))

    def _kept(self, options: QueryOptions) -> QueryOptions:
        """Options with which the teacher's answers are kept, if they are to be."""
        most = bytes_of(self.memory_size)
        return dataclasses.replace(options, memory=as_memory(self.memory), memory_size=most)

    def _recognised_teacher(self, options: QueryOptions) -> Teacher:
        """The teacher, with a fingerprint if its answers are kept."""
        if options.memory is not None and self.teacher_.fingerprint is None:  # memory set after fit
            with global_states_kept(0, options.device):
                self.teacher_ = with_fingerprint(self.teacher_, self._baselines.series, options)
        return self.teacher_

    def predict_proba(self, X: Series, *, out: Any = None) -> Float32Array:
        """Give the probabilities of the classes, in the order of ``classes_``.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.
        out : array of shape (n_instances, n_classes), default=None
            Where the probabilities go, such as a memory map: those of series that are not in
            memory are written a batch at a time. None makes an array, which lies in a temporary
            file if X is not in memory and the array is larger than 64 MiB.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float32
            Each row sums to 1; ``out`` itself, if it was given.
        """
        panel, student = self._panel(X), self._student_model
        options = QueryOptions(student.model.device)
        shape = (len(student.classes_),)
        proba: Float32Array = in_parts(
            lambda series, _: proba_of(query(student, series, options)), panel, shape, out
        )
        return proba

    def predict_log_proba(self, X: Series) -> Float32Array:
        """Give the log-probabilities of the classes, in the order of ``classes_``.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float32
            The exponentials of each row sum to 1.
        """
        return self._student_log_proba(X)

    def decision_function(self, X: Series) -> Float32Array:
        """Give the student's centred logits, the units of ``explain``.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float32
            ``z_k - mean_k z``. For two classes, as scikit-learn's convention asks, an array of
            shape (n_instances,) with the log-odds ``z_1 - z_0`` of the second class.
        """
        log_proba = self.predict_log_proba(X)
        if len(self.classes_) == 2:
            log_odds: Float32Array = log_proba[:, 1] - log_proba[:, 0]
            return log_odds
        return centred(log_proba)

    def predict(self, X: Series) -> LabelArray:
        """Predict the labels of the series.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.

        Returns
        -------
        ndarray of shape (n_instances,)
            The most probable label of each series.
        """
        log_proba, classes = self._answers_and_labels(X)
        labels: LabelArray = classes[log_proba.argmax(axis=1)]
        return labels
