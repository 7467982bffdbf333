"""A trial of mixtures: do students that learn from them agree with the teacher on other series?

Where a teacher loses its certainty as soon as a little of another series is mixed in, two things
look alike. A forest that knows its series by heart forgets them, and answers the mixtures as it
would answer any new series. But a teacher of sharp edges or spikes takes mixtures, which have none,
for something else, and what it says of them tells nothing of series. Held-out series decide.
"""

import math

import numpy as np
import torch
from scipy.stats import binom
from sklearn.base import clone

from tsdistill.exceptions import MixturesLeftOutWarning, warn_user
from tsdistill.numerics.batches import batches
from tsdistill.numerics.halving import Halving
from tsdistill.numerics.random_states import global_states_kept
from tsdistill.objectives.label import Label
from tsdistill.objectives.soft_targets import SoftTargets
from tsdistill.students.building import copied, initialised, learn_standardisation
from tsdistill.training.loop import train
from tsdistill.training.loss import DistillationLoss, StudentInTraining
from tsdistill.training.steps import TransferTensors, take_steps

FOLDS, SHARE, LEVEL = 3, 0.1, 0.05
"""Folds of the series, steps as a share of those of the training, and level of the sign test."""
FEWEST_STEPS = 150
"""Fewest steps of a trial: shorter trainings tell nothing."""
OWN_CALLBACKS = ("clip", "one_cycle")


def trial_epochs(n_rows, batch_size, max_epochs):
    """Epochs of each training of a trial, or 0 if the training itself is too short for one.

    Parameters
    ----------
    n_rows : int
        Series that are trained on.
    batch_size : int
        -1: all.
    max_epochs : int
        Of the training.

    Examples
    --------
    >>> trial_epochs(250, 32, 250), trial_epochs(250, 32, 20)
    (33, 0)
    """
    batch_size = n_rows if batch_size == -1 else batch_size
    n_steps = SHARE * max_epochs * math.ceil(n_rows / batch_size)
    in_fold = math.ceil(n_rows * (FOLDS - 1) / FOLDS / batch_size)
    return 0 if n_steps < FEWEST_STEPS else round(n_steps / in_fold)


def mixtures_mislead(transfer_set, net, gives_proba, objectives, weight, rows, seed):
    """Whether students agree with the teacher on fewer held-out series if they learn mixtures.

    Two students for each of three folds, with a tenth of the steps of the training each, and with
    neither windows nor a saliency term: one learns the series of the other folds, one also the
    mixtures that were made of these. The series on which one of the two agrees with the teacher
    and the other does not are counted, and a sign test at the level 0.05 decides.

    Parameters
    ----------
    transfer_set : TransferSet
        With mixtures.
    net : skorch.NeuralNetClassifier
        Not initialised. Of its callbacks, those that the user passed are left out.
    gives_proba : bool
        Whether its network answers with probabilities.
    objectives : list of Objective
        Of the training; labels and soft targets are used.
    weight : ndarray of shape (n_instances,), float32
    rows : ndarray of int64
        Rows of the given series that are trained on.
    seed : int

    Returns
    -------
    mislead : bool
        False where the training is too short for a trial.

    Warns
    -----
    MixturesLeftOutWarning
        If they do, with both shares.
    """
    objectives = [clone(one) for one in objectives if type(one) in (Label, SoftTargets)]
    epochs = trial_epochs(len(rows), net.batch_size, net.max_epochs)
    if not objectives or not epochs or len(rows) < 2 * FOLDS:
        return False
    agrees = np.empty((2, len(rows)), dtype=bool)
    tensors = TransferTensors(transfer_set.without_windows(), weight, net.device)
    fold = _folds(transfer_set.class_index[rows], np.random.default_rng(seed))
    mixtures = transfer_set.mixtures
    with global_states_kept(seed, net.device):
        for k in range(FOLDS):
            learnt, others = rows[fold != k], rows[fold == k]
            within = np.isin(mixtures.first, learnt) & np.isin(mixtures.second, learnt)
            mixed = transfer_set.n_given + np.flatnonzero(within)
            for agreed, chosen in zip(agrees, (learnt, np.append(learnt, mixed)), strict=True):
                student = _trained(net, gives_proba, objectives, tensors, chosen, epochs)
                agreed[fold == k] = _agrees(student, tensors, others)
    without, with_mixtures = agrees
    mislead = are_worse(with_mixtures, without)
    if mislead:
        warn_user(
            f"{transfer_set.teacher!r} takes mixtures of series for something else: students that "
            f"learnt them agreed with it on {with_mixtures.mean():.0%} of the series that were "
            f"held out, students without on {without.mean():.0%}. So mixtures are left out. Pass "
            "further series as X_unlabelled if you have any; n_mixtures=0 makes this choice at "
            "once.",
            MixturesLeftOutWarning,
        )
    return mislead


def are_worse(agrees, others_agree):
    """Whether a model agrees on fewer series than another, by a sign test at the level 0.05.

    Parameters
    ----------
    agrees, others_agree : ndarray of shape (n_instances,), bool
        Whether each of the two models agrees with the teacher.
    """
    n_worse, n_differ = (others_agree & ~agrees).sum(), (others_agree != agrees).sum()
    return bool(n_differ and binom.sf(n_worse - 1, n_differ, 0.5) <= LEVEL)


def _folds(class_index, rng):
    """Fold of each series: as many of each class in each fold, as far as that can be."""
    fold = np.empty(len(class_index), dtype=np.int64)
    order = rng.permutation(len(class_index))
    order = order[np.argsort(class_index[order], kind="stable")]
    fold[order] = np.arange(len(order)) % FOLDS
    return fold


def _trained(net, gives_proba, objectives, tensors, rows, epochs):
    """The student of a short training on some rows."""
    net = copied(net)
    own = [(name, one) for name, one in net.callbacks or [] if name in OWN_CALLBACKS]
    net.set_params(max_epochs=epochs, callbacks=own)
    net = initialised(take_steps(net, windows_per_step=1))
    learn_standardisation(net.module_, tensors.panel[rows[rows < tensors.n_given]].cpu())
    student = StudentInTraining(net.module_, gives_proba)
    train(net, tensors, DistillationLoss(objectives, student), rows=rows, keep_interrupted=False)
    return student


def _agrees(student, tensors, rows):
    """On which series a student and the teacher name the same class."""

    def agrees_on(part):
        at = torch.as_tensor(rows[part], device=tensors.panel.device)
        answers = student.ask(tensors.panel[at])
        return (answers.argmax(dim=1) == tensors.answers.clean[at].argmax(dim=1)).cpu().numpy()

    agreed, halving = [], Halving()
    with torch.no_grad():
        for batch in batches(len(rows)):
            agreed += [found for _, found in halving.results(agrees_on, batch, "the student")]
    return np.concatenate(agreed)
