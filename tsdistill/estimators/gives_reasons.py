"""What a fitted classifier says of itself: its reasons, and how far it follows its teacher."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from tsdistill.explainers.base import ExplainerSettings
from tsdistill.explainers.registry import find_explainer
from tsdistill.fidelity.scorers import check_truth
from tsdistill.inputs.checks import check_choice, check_flag
from tsdistill.inputs.labels import as_labels, target_indices
from tsdistill.inputs.plain import as_array
from tsdistill.inputs.types import (
    Fill,
    Float32Array,
    IntArray,
    LabelArray,
    Method,
    Metric,
    RandomSource,
    Series,
)
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.reporting.comparison import Comparison
from tsdistill.teachers.chunks import in_parts
from tsdistill.teachers.querying import QueryOptions, query

if TYPE_CHECKING:
    from skorch import NeuralNet

    from tsdistill.explainers.base import Explainer
    from tsdistill.inputs.stored import StoredPanel
    from tsdistill.perturbation.baselines import Baselines
    from tsdistill.reporting.report import FidelityReport  # loads pandas
    from tsdistill.teachers.teacher import Teacher


class GivesReasons:
    """Mixin for the SaliencyDistilledClassifier: ``explain`` and what compares with the teacher."""

    if TYPE_CHECKING:  # of the class that is mixed with
        student_: NeuralNet
        classes_: LabelArray
        n_channels_in_: int
        verbose: int
        _baselines: Baselines
        _window_width: float
        _series_lengths: tuple[int, int] | None

        @property
        def _student_model(self) -> Teacher: ...

        def _panel(self, X: Series) -> Float32Array | StoredPanel: ...

        def _options(self, verbose: int = 0) -> QueryOptions: ...

        def _teacher_options(self) -> QueryOptions: ...

        def _recognised_teacher(self, options: QueryOptions) -> Teacher: ...

    def explain(
        self,
        X: Series,
        *,
        target: Any = None,
        method: Method = "occlusion",
        of: Literal["student", "teacher"] = "student",
        per_channel: bool = False,
        fill: Fill | None = None,
        out: Any = None,
    ) -> Float32Array:
        """Tell what each timestep did for the prediction.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series with the axes (2-D or 3-D), channels and timepoints of those of ``fit``.
        target : label, or array-like of shape (n_instances,), default=None
            The class to explain. None takes the explained model's own prediction. To compare
            the maps of two models pass the same target for both, such as
            ``teacher_.predict(X)``.
        method : {"occlusion", "gradient", "integrated_gradients", "autoencoder"}, \
                default="occlusion"
            "occlusion" slides a window over the series and replaces it, see
            :func:`tsdistill.explainers.occlusion.occlusion`. "gradient" is the gradient times
            the distance to the baseline; "integrated_gradients" integrates the gradient on the
            way from the baseline to the series (by captum). Both need a model made of torch
            modules. "autoencoder" is one forward pass of a student that was trained with
            :class:`~tsdistill.objectives.ExplanationAutoencoder`: its estimate of the teacher's
            map for the teacher's prediction.
        of : {"student", "teacher"}, default="student"
            Whose prediction is explained.
        per_channel : bool, default=False
            Whether to give one map for each channel.
        fill : {"opposing", "mean", "zero"}, default=None
            The baseline, which replaces a window: the same window of training series of other
            classes, each channel's mean over the training series, or zeros. None is "opposing"
            for occlusion and "mean" for the gradients, which do not know "opposing".
        out : array, shaped as the maps, default=None
            Where the maps go, such as a memory map, see :meth:`predict_proba`.

        Returns
        -------
        ndarray of shape (n_instances, n_timepoints), or with per_channel \
                (n_instances, n_channels, n_timepoints), float32; or ``out``
            In units of the target's centred logit; positive speaks for the target. NaN after the
            end of a series, if series differ in length. Where a value is missing, the gradients
            give 0.

        Raises
        ------
        ParameterError
            If an argument is unknown, or does not go with the method.
        TeacherError
            If the method needs gradients and the model is a black box.
        StudentError
            If the method is "autoencoder" and the student was trained without one.
        """
        explainer = find_explainer(method, fill)
        check_choice("of", of, ("student", "teacher"))
        check_flag("per_channel", per_channel)
        check_is_fitted(self, "student_")
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            panel = self._panel(X)
            explainer.check_arguments(target, of, per_channel, self.n_channels_in_)
            return self._explain(explainer, panel, target, of, per_channel, fill, out)

    def _explain(
        self,
        explainer: Explainer,
        panel: Float32Array | StoredPanel,
        target: Any,
        of: str,
        per_channel: bool,
        fill: Fill | None,
        out: Any,
    ) -> Float32Array:
        if of == "student":
            model, options = self._student_model, self._options(self.verbose)
        else:
            options = self._teacher_options()
            model = self._recognised_teacher(options)
        explainer.check_model(model)
        explainer.check_lengths(self._series_lengths)
        class_index = None
        if target is not None:
            class_index = target_indices(target, self.classes_, len(panel))

        def explain(series: Float32Array, part: slice) -> Float32Array:
            k, log_proba = None if class_index is None else class_index[part], None
            if class_index is None and not explainer.own_maps_only:
                log_proba = query(model, series, dataclasses.replace(options, verbose=0))
                k = log_proba.argmax(axis=1)
            settings = ExplainerSettings(
                self._baselines, self._window_width, fill, per_channel, options, log_proba
            )
            return explainer.explain(model, series, k, settings)

        shape = panel.shape[1:] if per_channel else panel.shape[2:]
        maps: Float32Array = in_parts(explain, panel, shape, out)
        return maps

    def _compare(self, X: Series) -> Comparison:
        check_is_fitted(self, "student_")
        with global_states_kept(0, self.student_.device):  # no other thread ends a fit meanwhile
            panel = self._panel(X)
            options = self._teacher_options()
            models = self._recognised_teacher(options), self._student_model
            return Comparison(*models, panel, self._baselines, self._window_width, options)

    def fidelity_score(
        self,
        X: Series,
        y: ArrayLike | None = None,
        *,
        metric: Metric = "agreement",
        mask: ArrayLike | None = None,
    ) -> float:
        """Tell how closely the student follows its teacher; higher is better.

        If the teacher knows more classes than ``classes_`` (``fit`` warns of this), its answers
        among ``classes_`` are compared.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series held out from ``fit``; on the series of ``fit`` the score is too high.
        y : array-like of shape (n_instances,), default=None
            Labels, for the metrics that need them.
        metric : str, default="agreement"
            Metrics of the student's answers against the teacher's: "agreement", the share of
            equal predictions; "kl", minus the mean KL(teacher || student) in nats; "js", minus
            the mean Jensen-Shannon divergence.

            Metrics of the reasons: "saliency", the mean correlation of both models' occlusion
            maps for the teacher's class, with a baseline on which the student was not trained
            (the channel's mean over all series, or opposing series if ``donors`` is "mean" or
            "zero");
            "top_overlap", the overlap of the top tenths of these maps; "deletion" and
            "insertion", (minus) the area under the student's curve when timesteps are replaced
            by the channel's mean in the order of its own map, see
            :func:`tsdistill.fidelity.deletion_curve`.

            Metrics of the student's answers against y: "accuracy", "nll" and "ece"; the last
            two are negated.

            Metrics of the student's maps (as for "saliency") against ``mask``: "auprc" and
            "auroc", with one map for each channel if the mask has several channels.
        mask : array-like of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints), bool, default=None
            The timesteps that show the class of each series, for "auprc" and "auroc".

        Returns
        -------
        float
            The value of the metric.
        """
        check_truth(metric, y, mask)
        comparison = self._compare(X)
        return comparison.score(metric, self._class_index_of(y, len(comparison.panel)), mask)

    def _class_index_of(self, y: ArrayLike | None, n_instances: int) -> IntArray | None:
        if y is None:
            return None
        labels = np.atleast_1d(as_array(as_labels(y), "y"))
        return target_indices(labels, self.classes_, n_instances, "y")

    def fidelity_report(
        self,
        X: Series,
        y: ArrayLike | None = None,
        *,
        label_only: GivesReasons | None = None,
        n_explained: int = 500,
        confidence: float = 0.95,
        random_state: RandomSource = 0,
    ) -> FidelityReport:
        """Make a report to read before a teacher is replaced: answers, reasons, worst cases, costs.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            Series held out from ``fit``; on the series of ``fit`` the report is too good.
        y : array-like of shape (n_instances,), default=None
            Labels, which accuracy and calibration of both models, and flips, need.
        label_only : SaliencyDistilledClassifier, default=None
            A fitted classifier with the same teacher and network, trained on labels alone
            (``soft_target_weight=0, saliency_weight=0``), to compare with.
        n_explained : int, default=500
            Number of series with maps and curves; if X has more, they are drawn at random. Each
            of them costs about 75 queries to the teacher, 44 of them for the curves (more if
            ``window_size`` is small). Besides, each series of X costs one query, and the maps of
            the pictures and the latencies at most some 2,000. Use a small number for a slow
            black box.
        confidence : float in (0, 1), default=0.95
            Level of the intervals.
        random_state : None, int, numpy.random.Generator or numpy.random.RandomState, default=0
            For the draw of series, the bootstrap, the random map and the random order.

        Returns
        -------
        FidelityReport
            Print it, or use its ``to_frame()``, ``plot()`` and ``to_html(path)``, see
            :class:`tsdistill.reporting.report.FidelityReport`.
        """
        from tsdistill.reporting.measures import as_reference, make_report  # loads pandas

        comparison = self._compare(X)
        class_index = self._class_index_of(y, len(comparison.panel))
        reference = None
        if label_only is not None:
            reference = as_reference(label_only, self.classes_, X)
        return make_report(
            comparison, class_index, reference, n_explained=n_explained, confidence=confidence,
            random_state=random_state,
        )  # fmt: skip
