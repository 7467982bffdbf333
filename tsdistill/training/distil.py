"""Distillation from beginning to end: a transfer set and a recipe in, all that was learnt out."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from skorch import NeuralNetClassifier
from torch import nn

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.formats import TO_ONE_LENGTH
from tsdistill.inputs.stored import StoredPanel
from tsdistill.inputs.types import FloatArray
from tsdistill.numerics.random_states import untouched_by_a_teacher
from tsdistill.objectives.preparation import Preparation
from tsdistill.perturbation.baselines import Baselines
from tsdistill.students.building import (
    as_net,
    check_outputs,
    copied,
    extend_net,
    initialised,
    let_take_uneven,
    load_weights,
)
from tsdistill.teachers.answer_checks import is_hard, warn_if_mismatched, warn_of_hard
from tsdistill.teachers.querying import QueryOptions
from tsdistill.teachers.teacher import Teacher
from tsdistill.training.loop import check_monitors, joined_history, train
from tsdistill.training.loss import DistillationLoss, StudentInTraining
from tsdistill.training.recipe import Recipe, Seeds
from tsdistill.training.steps import take_steps
from tsdistill.training.stored_tensors import tensors_of
from tsdistill.training.transfer_set import TransferSet
from tsdistill.training.trial import mixtures_mislead


@dataclass(frozen=True)
class Distilled:
    """All that was learnt.

    Attributes
    ----------
    teacher : Teacher
        Fitted, and bound to the classes.
    student : skorch.NeuralNetClassifier
        The trained student, which gives logits (or probabilities, in a net with ``NLLLoss``).
    history : list of dict
        One an epoch.
    baselines : Baselines
        What explanations replace windows by.
    width : int
        Timesteps in a window.
    n_queries : int
        Questions to the teacher on which the student rests.
    terms : frozenset of str
        Names of all objectives from which the student has learnt, in earlier fits too.
    transfer_set : TransferSet
        With which a fit with ``warm_start`` goes on.
    """

    teacher: Teacher
    student: NeuralNetClassifier
    history: list
    baselines: Baselines
    width: int
    n_queries: int
    terms: frozenset
    transfer_set: TransferSet


@dataclass(frozen=True)
class _StudentNets:
    """The student in training, and the net that users will get.

    Attributes
    ----------
    trained : initialised skorch.NeuralNetClassifier
    delivered : skorch.NeuralNetClassifier
        Not initialised yet.
    gives_proba : bool
        Whether the network answers with probabilities.
    """

    trained: NeuralNetClassifier
    delivered: NeuralNetClassifier
    gives_proba: bool


def distil(
    transfer_set: TransferSet,
    recipe: Recipe,
    sample_weight: FloatArray,
    options: QueryOptions,
    seeds: Seeds,
    *,
    previous: NeuralNetClassifier | None = None,
) -> Distilled:
    """Query the teacher, and train a student on its answers.

    Parameters
    ----------
    transfer_set : TransferSet
        Its teacher may have been queried already.
    recipe : Recipe
    sample_weight : ndarray of shape (n_instances,), float64
        Classes are not weighed yet.
    options : QueryOptions
        A skorch student that has a device of its own replaces the device.
    seeds : Seeds
        The initial weights and the order of training follow from torch's global random state.
    previous : trained skorch.NeuralNetClassifier, default=None
        A student whose weights are trained further.

    Returns
    -------
    distilled : Distilled
    """
    # Which network is trained, and on which device.
    nets = _build_student(transfer_set, recipe, previous)
    net = nets.trained
    options = dataclasses.replace(options, device=net.device)

    # Whether teacher and student have what the objectives need, before a slow teacher is queried.
    preparation = Preparation(
        teacher=transfer_set.teacher,
        panel=_read_only(transfer_set.panel),
        network=net.module_,
        device=net.device,
        n_epochs=net.max_epochs,
        width=recipe.windows.width,
        seed=seeds.preparation,
        options=options,
    )
    stored = isinstance(transfer_set.panel, StoredPanel)
    uneven = not stored and (recipe.gaps or np.isnan(transfer_set.panel).any())
    for objective in recipe.objectives:
        if stored and objective.needs_panel:
            raise ParameterError(
                f"{type(objective).__name__} needs all series at once, but X is not in memory and "
                "is read a batch at a time; leave it out, or read the series into memory, if they "
                "fit."
            )
        if uneven and not objective.takes_uneven:
            found, remedy = "X has series of unequal length", "bring them to one length first"
            if recipe.gaps:
                found, remedy = "missing='mask' allows gaps", f"fill them, and {remedy}"
            raise ParameterError(
                f"{found}, which {type(objective).__name__} cannot take; {remedy} "
                f"({TO_ONE_LENGTH}), or leave it out."
            )
        objective.check_models(preparation)

    # What the student is to learn, from which series and of which weight.
    with untouched_by_a_teacher(net.device):
        learnt = _query_teacher(transfer_set, recipe, nets, sample_weight, seeds.windows, options)
        transfer_set, weight, held_out = learnt.transfer_set, learnt.weight, learnt.held_out
        preparation = _prepare(preparation, transfer_set, recipe.objectives, weight, held_out)
    transfer_set = dataclasses.replace(transfer_set, worked_out=preparation.used)

    # The weights.
    transfer_set.standardise(net.module_)
    train(
        net,
        tensors_of(learnt.for_training, weight, net.device),
        DistillationLoss(recipe.objectives, StudentInTraining(net.module_, nets.gives_proba)),
        held_out=held_out,
        hard=learnt.hard,
        bar=options.verbose > 0,
    )
    student, history = _deliver(nets, previous)
    return Distilled(
        teacher=transfer_set.teacher,
        student=student,
        history=history,
        baselines=transfer_set.baselines,
        width=recipe.windows.width,
        n_queries=learnt.for_training.n_queries(with_probes=recipe.compares_copies),
        terms=frozenset(objective.name for objective in recipe.objectives),
        transfer_set=transfer_set,
    )


def _build_student(transfer_set, recipe, previous):
    """The student's network with the layers of all objectives, initialised and tried."""
    panel, n_classes = transfer_set.to_try(), len(transfer_set.teacher.classes_)
    shape = (*panel.shape[1:], n_classes)
    net = as_net(recipe.student, *shape, gaps=recipe.gaps, **recipe.net_settings(n_classes))
    if recipe.gaps or panel.isnan().any():
        let_take_uneven(net)
    extensions = [objective.extension(*shape) for objective in recipe.objectives]
    extend_net(net, panel, n_classes, [extend for extend in extensions if extend is not None])
    delivered = copied(net)
    # A clone, since initialised callbacks are the user's own objects otherwise.
    net = initialised(take_steps(copied(net), recipe.windows_per_step))
    check_monitors(net, recipe.validation_fraction)
    gives_proba = check_outputs(net, panel, n_classes)
    if not gives_proba:  # whatever the net's criterion, the student now gives logits
        if not isinstance(net.criterion_, nn.CrossEntropyLoss):
            delivered.set_params(criterion=nn.CrossEntropyLoss)
        delivered.set_params(predict_nonlinearity="auto")
    if previous is not None:
        load_weights(net.module_, previous.module_)
    return _StudentNets(net, delivered, gives_proba)


@dataclass(frozen=True)
class _ToLearn:
    """What the student is to learn.

    Attributes
    ----------
    transfer_set : TransferSet
        To be kept.
    for_training : TransferSet
        The same, without windows where no objective needs them.
    weight : ndarray of shape (n_instances,), float32
    held_out : ndarray of int64, or None
        Rows for validation.
    hard : bool
        Whether the teacher answers 0 and 1 alone.
    """

    transfer_set: TransferSet
    for_training: TransferSet
    weight: np.ndarray
    held_out: np.ndarray | None
    hard: bool


def _query_teacher(transfer_set, recipe, nets, sample_weight, seed, options):
    """Query the teacher for series, mixtures and windows; draw baselines and held-out rows."""
    rng, held_out_rng, mixtures_rng, memory_rng = (
        np.random.default_rng([seed, *use]) for use in ((), (1,), (2,), (3,))
    )
    is_new = transfer_set.answers is None and recipe.learns_answers
    transfer_set = transfer_set.with_answers(sample_weight, options)
    weight = transfer_set.weighed(sample_weight, recipe.class_weight)
    if is_new and transfer_set.fitted_before and transfer_set.labels is not None:
        rows = np.flatnonzero(weight[: len(transfer_set.labels)] > 0)
        warn_if_mismatched(
            transfer_set.teacher,
            transfer_set.series_at(rows),
            transfer_set.labels[rows],
            transfer_set.answers.clean[rows],
        )
    transfer_set, held_out = transfer_set.with_held_out(
        recipe.validation_fraction, weight, held_out_rng
    )
    learnt_from = weight > 0
    if held_out is not None:
        learnt_from[held_out] = False
    rows = np.flatnonzero(learnt_from)
    if recipe.compares_copies:
        transfer_set = transfer_set.with_memory_checked(memory_rng, options)
    if recipe.may_leave_mixtures_out and not transfer_set.needs_mixtures:
        recipe = recipe.without_mixtures()
    transfer_set = transfer_set.with_mixtures(recipe.n_mixtures, rows, mixtures_rng, options)
    if recipe.compares_copies:
        if _mixtures_mislead(transfer_set, recipe, nets, weight, rows, seed):
            recipe, n_left_out = recipe.without_mixtures(), len(transfer_set.mixtures)
            transfer_set = transfer_set.with_mixtures(0, rows, mixtures_rng, options)
            transfer_set = dataclasses.replace(transfer_set, n_mixtures_left_out=n_left_out)
        transfer_set.warn_if_all_memorised()
    weight = transfer_set.with_mixtures_weighed(weight)
    if recipe.needs_copies:
        transfer_set = transfer_set.with_windows(recipe.windows, rng, options)
    for_training = transfer_set if recipe.needs_copies else transfer_set.without_windows()
    hard = recipe.learns_answers and is_hard(transfer_set.teacher, for_training.answers)
    if hard:
        warn_of_hard(transfer_set.teacher, for_training.answers)
    constants = recipe.needs_copies and recipe.windows.donors in ("mean", "zero")
    transfer_set = transfer_set.with_baselines(rng, constants)
    return _ToLearn(transfer_set, for_training, weight, held_out, hard)


def _mixtures_mislead(transfer_set, recipe, nets, weight, rows, seed):
    """Whether mixtures mislead; tried if they are a default and the teacher is unsure of them."""
    in_doubt = transfer_set.mixtures is not None and transfer_set.knows_all
    if not (in_doubt and recipe.may_leave_mixtures_out):
        return False
    tried, weight, rows = transfer_set.for_trial(weight, rows)
    return mixtures_mislead(
        tried, nets.delivered, nets.gives_proba, recipe.objectives, weight, rows, seed
    )


def _prepare(preparation, transfer_set, objectives, weight, held_out):
    """Let every objective work out what its steps will need."""
    learnt_from = weight > 0
    if held_out is not None:
        learnt_from[held_out] = False
    preparation = dataclasses.replace(
        preparation,
        teacher=transfer_set.teacher,
        panel=_read_only(transfer_set.panel),
        class_index=transfer_set.class_index,
        clean=transfer_set.answers.clean,
        baselines=transfer_set.baselines,
        learnt_from=learnt_from,
        worked_out=transfer_set.worked_out,
    )
    for objective in objectives:
        objective.prepare(preparation)
    return preparation


def _deliver(nets, previous):
    """The student for the user, a net free of everything that only the training needed.

    Returns
    -------
    student : skorch.NeuralNetClassifier
    history : list of dict
    """
    student = nets.delivered.initialize()
    load_weights(student.module_, nets.trained.module_)
    student.module_.eval()
    student.history, history = joined_history(previous, nets.trained)
    return student, history


def _read_only(array):
    if isinstance(array, StoredPanel):
        return array
    view = array.view()
    view.flags.writeable = False
    return view
