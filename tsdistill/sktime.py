"""The distilled classifier as a classifier of sktime."""

import copy

import numpy as np
from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags
from sktime.classification.base import BaseClassifier

from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.estimators.holds_teacher import HoldsTeacher
from tsdistill.estimators.scoring import labels_to_score
from tsdistill.estimators.settings import check_not_own_teacher
from tsdistill.exceptions import PanelError, SavedFileError
from tsdistill.inputs.formats import channel_names, check_channel_names
from tsdistill.inputs.forms import as_array_or_frames
from tsdistill.inputs.plain import as_plain
from tsdistill.students import Lite
from tsdistill.teachers.teacher import Teacher


class SaliencyDistilledTSC(HoldsTeacher, BaseClassifier):
    """A small network that gives a teacher's answers for the teacher's reasons, for sktime.

    This is :class:`~tsdistill.SaliencyDistilledClassifier` with sktime's interface: it takes
    sktime's panel formats, and works in sktime's pipelines and searches.

    Parameters
    ----------
    teacher : classifier, torch.nn.Module, callable, Teacher, or list of these
        The model to replace. A fitted one is used as it is and never copied, cloned or
        changed; an unfitted one is cloned and fitted in ``fit``.
    student, label_weight, soft_target_weight, saliency_weight, temperature, saliency, \
            auxiliary, window_size, n_windows, n_mixtures, n_queries, windows_per_step, donors, \
            max_epochs, batch_size, lr, device, callbacks, validation_fraction, class_weight, \
            missing, memory, memory_size, n_jobs, random_state, verbose
        See :class:`~tsdistill.SaliencyDistilledClassifier`; no ``warm_start``, ``fit`` starts anew.

    Attributes
    ----------
    classifier_ : SaliencyDistilledClassifier
        The fitted classifier, with ``teacher_``, ``student_`` and ``history_``.

    Notes
    -----
    ``get_params`` gives a fitted teacher wrapped in :class:`~tsdistill.Teacher`, which sktime's
    ``clone`` leaves as it is. It would unfit or copy a bare teacher.

    References
    ----------
    Temporal Saliency Distillation, ECAI 2025, DOI 10.3233/FAIA251144, arXiv 2601.04263.

    Examples
    --------
    >>> from sktime.classification.feature_based import SummaryClassifier
    >>> from sktime.datasets import load_unit_test
    >>> from tsdistill.sktime import SaliencyDistilledTSC
    >>> X, y = load_unit_test(split="train")
    >>> teacher = SummaryClassifier().fit(X, y)
    >>> student = SaliencyDistilledTSC(teacher, n_queries=200, max_epochs=10).fit(X, y)
    >>> student.predict(X).shape, student.explain(X).shape
    ((20,), (20, 24))
    """

    _tags = {
        "authors": ["tsdistill developers"],
        "maintainers": ["tsdistill developers"],
        "X_inner_mtype": ["df-list", "numpy3D"],
        "y_inner_mtype": "numpy1D",
        "capability:multivariate": True,
        "capability:unequal_length": True,
        "capability:missing_values": False,
        "capability:multithreading": True,
        "capability:predict_proba": True,
        "capability:class_weight": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
        "python_dependencies": ["torch", "skorch"],
    }

    def __init__(
        self,
        teacher,
        student="lite",
        label_weight=0.1,
        soft_target_weight=1.0,
        saliency_weight=None,
        temperature=4.0,
        saliency="logit_change",
        auxiliary=None,
        window_size=0.1,
        n_windows=None,
        n_mixtures=None,
        n_queries=None,
        windows_per_step=1,
        donors=None,
        max_epochs=None,
        batch_size=32,
        lr=0.01,
        device="cpu",
        callbacks=None,
        validation_fraction=None,
        class_weight=None,
        missing="refuse",
        memory=None,
        memory_size=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
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
        self.memory = memory
        self.memory_size = memory_size
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()
        self.set_tags(**{"capability:missing_values": missing == "mask"})

    def fit(self, X, y):
        """Ask the teacher about the series, and train the student on its answers.

        Parameters
        ----------
        X : panel in any of sktime's formats, or a list of arrays
            Training series; they may differ in length.
        y : array-like of shape (n_instances,) or (n_instances, n_outputs)
            Labels. For several outputs sktime fits one student each; those can predict, but
            explanations and reports need a single one.

        Returns
        -------
        self : SaliencyDistilledTSC

        Raises
        ------
        PanelError
            If y is missing or has more than two axes, or X cannot be used.
        """
        check_not_own_teacher(self)
        gaps = self.missing == "mask"
        names, X, y = channel_names(X), as_array_or_frames(X, gaps), as_plain(y, "y")
        try:
            y = np.array(y) if isinstance(y, (list, tuple)) else y
        except ValueError as error:
            raise PanelError(f"y is no list of labels: {error}") from error
        if np.ndim(y) not in (1, 2):
            got = "y=None" if y is None else f"y of shape {np.shape(y)}"
            raise PanelError(
                f"{got}; {type(self).__name__} needs one label for each series, of shape "
                "(n_instances,), or several, of shape (n_instances, n_outputs)."
            )
        if isinstance(X, (np.ndarray, list)) and len(X) != len(y):
            raise PanelError(f"X has {len(X)} series but y has {len(y)} labels; pass one for each.")
        super().fit(X, y)
        self._channel_names = names
        return self

    def predict(self, X):
        """Labels of the series.

        Parameters
        ----------
        X : panel in any of sktime's formats, or a list of arrays

        Returns
        -------
        y : ndarray of shape (n_instances,)
        """
        return super().predict(self._as_fitted(X))

    def predict_proba(self, X):
        """Probabilities of the classes, in the order of ``classes_``.

        Parameters
        ----------
        X : panel in any of sktime's formats, or a list of arrays

        Returns
        -------
        proba : ndarray of shape (n_instances, n_classes), float32
        """
        return super().predict_proba(self._as_fitted(X))

    def score(self, X, y, *arguments, **settings):
        """Accuracy, or another metric, of the labels that are predicted, as in sktime.

        Parameters
        ----------
        X : panel in any of sktime's formats, or a list of arrays
        y : array-like of shape (n_instances,)
            Labels.
        *arguments, **settings
            Further arguments of ``sktime.classification.base.BaseClassifier.score``.

        Returns
        -------
        score : float
        """
        return super().score(X, labels_to_score(y), *arguments, **settings)

    def _as_fitted(self, X):
        self.check_is_fitted()
        check_channel_names(channel_names(X), self._channel_names)
        return as_array_or_frames(X, self.missing == "mask")

    def _fit(self, X, y):
        parameters = {name: getattr(self, name) for name in self.get_param_names()}
        self.classifier_ = SaliencyDistilledClassifier(**parameters).fit(X, y)
        return self

    def _predict(self, X):
        return self.classifier_.predict(X)

    def _predict_proba(self, X):
        return self.classifier_.predict_proba(X)

    def save(self, path=None, serialization_format="pickle"):
        """Save to a file or to memory.

        Parameters
        ----------
        path : str, path or None
        serialization_format : {"pickle", "cloudpickle", "tsdistill"}, default="pickle"
            "tsdistill" writes a file for :meth:`load`; the others are sktime's own.
        """
        if serialization_format != "tsdistill":
            return super().save(path, serialization_format)
        self.check_is_fitted()
        inner = copy.copy(self._single_classifier())
        inner._channel_names = self._channel_names
        return inner.save(path)

    @classmethod
    def load(cls, path, *, teacher=None, student=None, device="cpu"):
        """Return the classifier that ``save`` wrote to a file in the format "tsdistill".

        The arguments are those of :meth:`tsdistill.SaliencyDistilledClassifier.load`.
        """
        settings = {"teacher": teacher, "student": student, "device": device}
        one = SaliencyDistilledClassifier.load(path, **settings)
        if one.panel_ndim_ == 2:
            raise SavedFileError("path is of a classifier of 2-D series; load it with its class.")
        loaded = cls(**{name: getattr(one, name) for name in cls.get_param_names()})
        some, loaded._fit = one._baselines, lambda X, y: None
        series = as_array_or_frames(some.series, one.missing == "mask")
        BaseClassifier.fit(loaded, series, one.classes_[some.class_index])  # sktime's metadata
        del loaded._fit
        loaded.classifier_, loaded._channel_names = one, one._channel_names
        return loaded

    def explain(
        self, X, *, target=None, method="occlusion", of="student", per_channel=False, fill=None
    ):
        """What each timestep did for the prediction.

        Parameters
        ----------
        X : panel in any of sktime's formats
        target, method, of, per_channel, fill
            See :meth:`tsdistill.SaliencyDistilledClassifier.explain`.

        Returns
        -------
        maps : ndarray of shape (n_instances, n_timepoints), or with per_channel \
                (n_instances, n_channels, n_timepoints), float32
            In units of the target's centred logit; positive speaks for the target.
        """
        classifier, X = self._classifier_and_series(X)
        return classifier.explain(
            X, target=target, method=method, of=of, per_channel=per_channel, fill=fill
        )

    def fidelity_score(self, X, y=None, *, metric="agreement", mask=None):
        """How closely the student follows its teacher; higher is better.

        Parameters
        ----------
        X : panel in any of sktime's formats
        y, metric, mask
            See :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_score`.

        Returns
        -------
        score : float
        """
        classifier, X = self._classifier_and_series(X)
        return classifier.fidelity_score(X, y, metric=metric, mask=mask)

    def fidelity_report(
        self, X, y=None, *, label_only=None, n_explained=500, confidence=0.95, random_state=0
    ):
        """A report to read before a teacher is replaced: answers, reasons, worst cases, costs.

        Parameters
        ----------
        X : panel in any of sktime's formats
        y : array-like of shape (n_instances,), default=None
            Labels.
        label_only, n_explained, confidence, random_state
            See :meth:`tsdistill.SaliencyDistilledClassifier.fidelity_report`.

        Returns
        -------
        report : FidelityReport
        """
        classifier, X = self._classifier_and_series(X)
        return classifier.fidelity_report(
            X, y, label_only=label_only, n_explained=n_explained, confidence=confidence,
            random_state=random_state,
        )  # fmt: skip

    def _compare(self, X):
        classifier, X = self._classifier_and_series(X)
        return classifier._compare(X)

    def _classifier_and_series(self, X):
        X = self._as_fitted(X)
        return self._single_classifier(), self._check_convert_X_for_predict(X)

    def _single_classifier(self):
        if hasattr(self, "classifiers_"):
            raise PanelError(
                "y of fit had several columns, with one student each; explanations and reports "
                "need a single one: fit on each column of y separately."
            )
        if not hasattr(self, "classifier_"):  # sktime predicts a single class by itself
            raise PanelError(
                "y of fit held one class only, so there is no student; fit on two classes or more."
            )
        return self.classifier_

    def get_params(self, deep=True):
        """Parameters by name; a fitted teacher is wrapped in :class:`~tsdistill.Teacher`."""
        parameters = super().get_params(deep)
        teacher = parameters["teacher"]
        if not isinstance(teacher, Teacher) and Teacher(teacher).is_fitted:
            parameters["teacher"] = Teacher(teacher)
        return parameters

    def set_params(self, **params):
        """Set parameters, also of student and auxiliary objectives, and reset the estimator."""
        super().set_params(**params)
        if params:
            self.reset()
        return self

    def __sklearn_tags__(self):
        # sktime's classes have no such tags, but scikit-learn's searches need them.
        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(three_d_array=True),
        )

    def clone(self):
        """A new estimator with the same parameters, and the same fitted teacher."""
        return self.__sklearn_clone__().set_config(**self.get_config())

    def reset(self):
        """Return to the state after construction; the teacher stays as it is."""
        # scikit-learn's searches and pipelines set this attribute, and remove it after fit.
        kept = {name: vars(self).get(name) for name in ("teacher", "_parent_callback_ctx")}
        super().reset()
        vars(self).update({name: value for name, value in kept.items() if value is not None})
        return self

    @classmethod
    def get_test_params(cls, parameter_set="default"):
        """Settings for sktime's checks, which train quickly."""
        from sklearn.ensemble import RandomForestClassifier
        from sktime.classification.feature_based import SummaryClassifier
        from sktime.transformations.interpolate import TSInterpolator

        forest = RandomForestClassifier(5, min_samples_leaf=3, random_state=0)
        teacher = TSInterpolator(10) * SummaryClassifier(estimator=forest)
        quick = {"max_epochs": 3, "n_windows": 2, "n_mixtures": 2, "random_state": 0}
        other = {"student": Lite(n_filters=2), "saliency_weight": 0.0, "missing": "mask"}
        return [{"teacher": teacher, **quick}, {"teacher": teacher, **other, **quick}]
