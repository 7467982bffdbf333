"""SaliencyDistilledClassifier: the estimator that wires the rooms together."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted
from skorch.callbacks import GradientNormClipping, LRScheduler
from torch import nn

from tsdistill import explainers, fidelity
from tsdistill.exceptions import PanelError, ParameterError, TeacherError
from tsdistill.knowledge import Knowledge, ask, ask_perturbed, warn_if_hard
from tsdistill.objectives import Label, Objective, SoftTargets, TemporalSaliency
from tsdistill.objectives.base import check_positive
from tsdistill.panels import as_panel, check_sample_weight, encode_labels, validate_series
from tsdistill.randomness import global_states_kept, seed_sequence
from tsdistill.students.nets import as_net, check_outputs, learn_standardisation
from tsdistill.teachers import Teacher, as_teacher, as_tensor
from tsdistill.training import DistillationLoss, DistillationSet, take_steps, train
from tsdistill.windows import DONORS, draw_plan, stand_in_donors, window_width

STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 2000, 50, 500


class SaliencyDistilledClassifier(ClassifierMixin, BaseEstimator):
    def __init__(
        self,
        teacher,
        student="lite",
        *,
        label_weight=0.1,
        soft_target_weight=1.0,
        saliency_weight=5.0,
        temperature=4.0,
        saliency="logit_change",
        auxiliary=None,
        window_size=0.1,
        n_windows=16,
        windows_per_step=1,
        donors="opposing",
        max_epochs=None,
        batch_size=32,
        lr=0.005,
        device="cpu",
        callbacks=None,
        validation_fraction=None,
        memory=None,
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
        self.windows_per_step = windows_per_step
        self.donors = donors
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.device = device
        self.callbacks = callbacks
        self.validation_fraction = validation_fraction
        self.memory = memory
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, *, sample_weight=None, X_unlabelled=None):
        before = dict(vars(self))
        try:
            seeds = seed_sequence(self.random_state).generate_state(4)
            objectives = self._check_parameters()
            with global_states_kept(int(seeds[0]), self.device):
                self._fit(X, y, sample_weight, X_unlabelled, objectives, seeds)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise
        return self

    def _fit(self, X, y, sample_weight, X_unlabelled, objectives, seeds):
        rng = np.random.default_rng(seeds[1])
        teacher = as_teacher(self.teacher)
        if y is None and not teacher.is_fitted:
            raise TeacherError(
                "This SaliencyDistilledClassifier estimator requires y to be passed, but the "
                "target y is None: its teacher is not fitted, so nothing can label X. Pass y, or "
                "a fitted teacher."
            )
        if y is None:
            X = validate_series(self, X, reset=True)
            if sample_weight is None:
                sample_weight = 1.0
        else:
            X, y = validate_series(self, X, y, reset=True)
        width = window_width(self.window_size, self.n_timepoints_in_)
        weight = check_sample_weight(sample_weight, len(X))
        panel = as_panel(X)
        if X_unlabelled is not None:
            X_unlabelled = as_panel(validate_series(self, X_unlabelled, reset=False))
            panel = np.concatenate([panel, X_unlabelled])
            weight = np.concatenate([weight, np.ones(len(X_unlabelled), dtype=np.float32)])
        if y is None:
            self.teacher_ = teacher.bind(X)
            self.classes_ = self.teacher_.classes_
        else:
            self.classes_, labels = encode_labels(y)
            if not teacher.is_fitted:
                teacher = teacher.fit(X, y, np.random.RandomState(seeds[2]))
            self.teacher_ = teacher.bind(X, self.classes_)
        n_classes = len(self.classes_)
        net = self._net(n_classes, len(panel))
        final = clone(net)
        net = take_steps(net, self.windows_per_step).initialize()
        gives_proba = check_outputs(net, as_tensor(panel), n_classes)
        if isinstance(net.criterion_, nn.NLLLoss) and not gives_proba:
            final.set_params(criterion=nn.CrossEntropyLoss)

        asked = {"device": net.device, "n_jobs": self.n_jobs, "verbose": self.verbose}
        clean = ask(self.teacher_, panel, title="teacher: series", **asked)
        warn_if_hard(self.teacher_, clean)
        groups = clean.argmax(axis=1)
        if y is None:
            check_two_answers(groups, self.classes_)
        else:
            groups[: len(labels)] = labels
        plan = perturbed = None
        if any(objective.needs_copies for objective in objectives):
            plan = draw_plan(
                panel, groups, width=width, n_windows=self.n_windows, donors=self.donors, rng=rng
            )
            perturbed = ask_perturbed(
                self.teacher_, panel, plan, clean, memory=self.memory, **asked
            )
        kept = explainers.background(panel, groups, n_classes, rng)
        self._background, self._background_groups = kept
        self._fill = stand_in_donors(panel, "mean")

        learn_standardisation(net.module_, as_tensor(panel))
        data = DistillationSet(panel, groups, weight, Knowledge(clean, perturbed), plan, net.device)
        self.history_ = train(
            net,
            data,
            DistillationLoss(objectives, gives_proba),
            validation_rows=self._validation_rows(groups, rng),
            bar=self.verbose > 0,
        )
        self.student_ = final.initialize()
        self.student_.module_.load_state_dict(net.module_.state_dict())
        self.student_.module_.eval()
        self.student_.history = net.history

    def _check_parameters(self):
        """Refuse what cannot be used, whatever the data; return the objectives."""
        for name in ("n_windows", "windows_per_step"):
            check_count(name, getattr(self, name))
        if self.max_epochs is not None:
            check_count("max_epochs", self.max_epochs)
        check_count("batch_size", self.batch_size)
        check_positive("lr", self.lr)
        if self.donors not in DONORS:
            raise ParameterError(
                f"donors={self.donors!r}; expected one of {', '.join(map(repr, DONORS))}."
            )
        fraction = self.validation_fraction
        if fraction is not None and not (isinstance(fraction, Real) and 0 < fraction < 1):
            raise ParameterError(
                f"validation_fraction={fraction!r}; expected None or a share of the series in "
                "(0, 1)."
            )
        check_device(self.device)
        objectives = [
            Label(self.label_weight),
            SoftTargets(self.soft_target_weight, self.temperature),
            TemporalSaliency(self.saliency_weight, self.saliency, self.temperature),
            *as_list(self.auxiliary),
        ]
        for objective, name in zip(
            objectives, ("label_weight", "soft_target_weight", "saliency_weight"), strict=False
        ):
            check_positive(name, objective.weight, zero=True)
        for objective in objectives:
            if not isinstance(objective, Objective):
                raise ParameterError(
                    f"auxiliary={objective!r}; expected an Objective or a list of them, such as "
                    "tsdistill.objectives.PerturbedSoftTargets()."
                )
            objective.check()
        objectives = [objective for objective in objectives if objective.weight > 0]
        if not objectives:
            raise ParameterError("every weight is 0, so there is nothing to train for.")
        return objectives

    def _net(self, n_classes, n_series):
        """The student as an unfitted skorch net, with the settings of this estimator."""
        n_steps = math.ceil(n_series / self.batch_size)
        epochs = self.max_epochs or min(MOST_EPOCHS, max(FEWEST_EPOCHS, STEPS // n_steps))
        schedule = LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            step_every="batch",
            max_lr=self.lr,
            total_steps=n_steps * epochs,
            pct_start=0.1,
        )
        return as_net(
            self.student,
            self.n_channels_in_,
            self.n_timepoints_in_,
            n_classes,
            max_epochs=epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            device=self.device,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=1e-4,
            callbacks=[
                ("clip", GradientNormClipping(1.0)),
                ("schedule", schedule),
                *as_list(self.callbacks),
            ],
        )

    def _validation_rows(self, groups, rng):
        """A stratified share of the series, at least one, never all of a class."""
        if self.validation_fraction is None:
            return None
        rows = []
        for group in np.unique(groups):
            members = rng.permutation(np.flatnonzero(groups == group))
            n_held = min(len(members) - 1, round(self.validation_fraction * len(members)))
            rows.append(members[:n_held])
        rows = np.concatenate(rows)
        if not len(rows):
            raise ParameterError(
                f"validation_fraction={self.validation_fraction} holds out none of "
                f"{len(groups)} series; pass a larger share."
            )
        return torch.as_tensor(rows)

    def __sklearn_clone__(self):
        parameters = {
            name: value
            if name == "teacher" and as_teacher(value).is_fitted
            else clone(value, safe=False)
            for name, value in self.get_params(deep=False).items()
        }
        return type(self)(**parameters)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def _student_model(self):
        return Teacher.of_student(self.student_, self.classes_)

    def _panel(self, X):
        check_is_fitted(self, "student_")
        return as_panel(validate_series(self, X, reset=False))

    def _log_proba(self, model, panel):
        n_jobs = None if model.differentiable else self.n_jobs
        return ask(model, panel, device=self.student_.device, n_jobs=n_jobs)

    def predict_proba(self, X):
        return np.exp(self._log_proba(self._student_model, self._panel(X)))

    def predict(self, X):
        panel = self._panel(X)
        return self.classes_[self._log_proba(self._student_model, panel).argmax(axis=1)]

    def explain(self, X, *, target=None, method="occlusion", of="student", per_channel=False):
        explainers.check_method(method)
        panel = self._panel(X)
        if of not in ("student", "teacher"):
            raise ParameterError(f"of={of!r}; expected 'student' or 'teacher'.")
        model = self._student_model if of == "student" else self.teacher_
        if target is None:
            columns = self._log_proba(model, panel).argmax(axis=1)
        else:
            columns = self._columns(target, len(panel))
        if method == "gradient":
            return explainers.gradient(
                model, panel, columns, self._fill[0, :, 0], per_channel=per_channel,
                device=self.student_.device,
            )  # fmt: skip
        rows = explainers.opposing_rows(self._background_groups, len(self.classes_))
        return self._occlusion(model, panel, columns, self._background, rows, per_channel)

    def _occlusion(self, model, panel, columns, donors, donor_rows, per_channel=False):
        return explainers.occlusion(
            model, panel, columns, donors, donor_rows,
            window_width(self.window_size, self.n_timepoints_in_),
            per_channel=per_channel, device=self.student_.device, n_jobs=self.n_jobs,
            verbose=self.verbose,
        )  # fmt: skip

    def _columns(self, target, n_instances):
        """Positions of target labels, one a series."""
        labels = (
            np.broadcast_to(np.asarray(target), n_instances)
            if np.ndim(target) == 0
            else (np.asarray(target))
        )
        position = {label: k for k, label in enumerate(self.classes_.tolist())}
        unknown = sorted({str(label) for label in labels.tolist() if label not in position})
        if labels.shape != (n_instances,) or unknown:
            raise ParameterError(
                f"target of shape {labels.shape} with unknown labels {unknown}; expected a label "
                f"of {self.classes_.tolist()}, or one for each of the {n_instances} series."
            )
        return np.array([position[label] for label in labels.tolist()])

    def fidelity_score(self, X, *, metric="agreement"):
        fidelity.check_metric(metric)
        panel = self._panel(X)
        teacher = self._log_proba(self.teacher_, panel)
        if metric == "saliency":
            return self._saliency_fidelity(panel, teacher.argmax(axis=1))
        student = self._log_proba(self._student_model, panel)
        if metric == "agreement":
            return fidelity.agreement(teacher, student)
        if metric == "kl":
            return -fidelity.predictive_kl(teacher, student)
        return -fidelity.predictive_js(teacher, student)

    def _saliency_fidelity(self, panel, columns):
        """Correlation of maps for the teacher's class, by donors not trained on."""
        n_classes = len(self.classes_)
        donors, rows = self._fill, np.zeros((n_classes, 1), dtype=np.int64)
        if self.donors in ("mean", "zero"):
            donors = self._background
            rows = explainers.opposing_rows(self._background_groups, n_classes)
        maps = [
            self._occlusion(model, panel, columns, donors, rows)
            for model in (self.teacher_, self._student_model)
        ]
        return fidelity.saliency_correlation(*maps)


def as_list(value):
    """None is no item, a list or tuple its items, anything else one item."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def check_count(name, value):
    """Refuse what is no whole number above 0."""
    if not isinstance(value, Integral) or isinstance(value, (bool, np.bool_)) or value < 1:
        raise ParameterError(f"{name}={value!r}; expected a whole number above 0.")


def check_device(device):
    """Refuse a device that torch does not know or that is not there."""
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ParameterError(
            f"device={device!r} cannot be used: {error}. Expected 'cpu', or 'cuda' where torch "
            "finds a GPU."
        ) from error


def check_two_answers(groups, classes):
    """Refuse labels by a teacher that puts one class first for every series."""
    if len(np.unique(groups)) < 2:
        raise PanelError(
            f"the teacher answers {classes[groups[0]]!r} for all {len(groups)} series, so X has "
            "one class only; pass series of other classes too."
        )
