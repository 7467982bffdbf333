"""Converts every accepted form of student to an unfitted skorch net, and checks it."""

import copy
import functools

import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from torch import nn

from tsdistill.exceptions import StudentError, TsdistillError
from tsdistill.inputs.checks import is_whole, quoted, shown
from tsdistill.numerics.forks import no_fork
from tsdistill.numerics.logits import first_output
from tsdistill.numerics.tensors import as_tensor, plain_device
from tsdistill.students import STUDENTS
from tsdistill.students.base import Standardise, Student, built_for
from tsdistill.students.callbacks import clone_net
from tsdistill.students.masking import take_uneven

CONFIGURATION = "_tsdistill_configuration"
"""Attribute of a network with the configuration from which it is built again after loading."""


def as_net(student, n_channels, n_timepoints, n_classes, *, gaps=False, **settings):
    """Convert any form of student to an unfitted skorch net.

    Parameters
    ----------
    student : str, Student, torch.nn.Module, callable or skorch.NeuralNetClassifier
        A name, a configuration, a module (copied; training starts from its weights), a
        factory ``(n_channels, n_timepoints, n_classes) -> module``, or an unfitted skorch net.
        A net is cloned and keeps its settings, except criterion, iterators and ``train_split``.
    n_channels, n_timepoints, n_classes : int
    gaps : bool, default=False
        Whether values may be missing: a configuration is built so that its network fills gaps;
        other students are given NaN.
    **settings
        skorch settings (``max_epochs``, ``lr``, ...); ignored if student is a skorch net.

    Returns
    -------
    net : skorch.NeuralNetClassifier
        Neither initialised nor fitted.

    Raises
    ------
    StudentError
        If student is none of these, or its module has no weights to train.
    """
    if isinstance(student, NeuralNetClassifier):
        return _completed_net(student, n_classes)
    if isinstance(student, type) and issubclass(student, Student):
        raise StudentError(f"student is the class {student.__name__}; pass {student.__name__}().")
    shape = (n_channels, n_timepoints, n_classes)
    if isinstance(student, str) and student in STUDENTS:
        student = STUDENTS[student]()
    if isinstance(student, Student):
        module = _built(student, built_for, (student, shape, gaps))
        if type(student) in STUDENTS.values():
            setattr(module, CONFIGURATION, clone(student))
    elif hasattr(student, "build") and not isinstance(student, nn.Module):
        module = _built(student, student.build, shape)
    elif isinstance(student, nn.Module):
        module = _built(student, copy.deepcopy, (student,))
    elif callable(student):
        module = _built(student, student, shape)
    else:
        raise StudentError(
            f"student={shown(student)}; expected one of {quoted(STUDENTS)}, a "
            "configuration such as students.Lite(), a torch module, a factory (n_channels, "
            "n_timepoints, n_classes) -> module, or an unfitted skorch.NeuralNetClassifier."
        )
    if not isinstance(module, nn.Module):
        raise StudentError(
            f"student {student!r} built a {type(module).__name__}; expected a torch.nn.Module."
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise StudentError(f"student {type(module).__name__} has no weights to train.")
    return net_around(module, n_classes, **settings)


def net_around(module, n_classes, criterion=nn.CrossEntropyLoss, verbose=0, **settings):
    """A skorch net, not initialised yet, around a module."""
    return NeuralNetClassifier(
        module,
        criterion=criterion,
        classes=list(range(n_classes)),
        train_split=None,
        callbacks__print_log=None,
        verbose=verbose,
        **settings,
    )


def _built(student, build, arguments):
    """A network from the user's code; what goes wrong there is a StudentError."""
    try:
        return build(*arguments)
    except TsdistillError:
        raise
    except Exception as error:  # the user's code may raise anything
        raise StudentError(
            f"student {_name_of(student)} cannot be built or copied: {type(error).__name__}: "
            f"{error}. Check its settings; a factory is called with (n_channels, n_timepoints, "
            "n_classes)."
        ) from error


def _name_of(student):
    return getattr(student, "__name__", type(student).__name__)


def copied(net):
    """Clone a net and its callbacks; StudentError where it cannot be cloned."""
    try:
        return clone_net(net)
    except Exception as error:  # the user's code may raise anything
        raise StudentError(
            f"student {type(net).__name__} cannot be cloned: {type(error).__name__}: {error}."
        ) from error


def initialised(net):
    """Initialise a user's net; what goes wrong in its module or optimiser is a StudentError."""
    with no_fork():  # initial weights are drawn
        return _built(net, net.initialize, ())


def _completed_net(net, n_classes):
    """Clone a user's net, and set its classes and device if it leaves them open."""
    if getattr(net, "initialized_", False):
        raise StudentError(
            "student is a skorch net that is initialised or fitted already, and fit would discard "
            "its weights; pass an unfitted net, or its module_ to start from these weights."
        )
    if not (is_whole(net.max_epochs) and net.max_epochs > 0):
        raise StudentError(
            f"student is a skorch net with max_epochs={net.max_epochs!r}; expected a whole number "
            "above 0."
        )
    net = copied(net)
    if net.classes is None:
        net.set_params(classes=list(range(n_classes)))
    net.set_params(device="cpu" if net.device is None else plain_device(net.device))
    return net


def let_take_uneven(net):
    """Let the network of a net that is not initialised yet expect series of unequal length."""
    net.set_params(module=functools.partial(_uneven_module, net.module))


def _uneven_module(module, /, **settings):
    module = _extended_module(module, [], **settings)
    take_uneven(module)
    return module


def extend_net(net, panel, n_classes, extensions):
    """Add the layers of objectives to the module of a net that is not initialised yet.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
    panel : Tensor of shape (n_instances, n_channels, n_timepoints)
    n_classes : int
    extensions : list of callable
        Each takes a module, and returns a module that contains it.

    Raises
    ------
    StudentError
        If the module returns probabilities: the layers add to logits.
    """
    if not extensions:
        return
    if check_outputs(initialised(copied(net)), panel, n_classes):
        raise StudentError(
            "student answers with probabilities (its criterion is NLLLoss), but an objective, such "
            "as ExplanationAutoencoder, adds layers to its logits; make the module return logits, "
            "with the criterion CrossEntropyLoss."
        )
    net.set_params(module=functools.partial(_extended_module, net.module, extensions))


def _extended_module(module, extensions, /, **settings):
    if not isinstance(module, nn.Module):
        module = module(**settings)
    elif settings:
        module = type(module)(**settings)
    for extend in extensions:
        module = extend(module)
    return module


def check_outputs(net, panel, n_classes):
    """Run an initialised net on two series, check its output, and find out its kind.

    Parameters
    ----------
    net : initialised skorch.NeuralNetClassifier
    panel : Tensor of shape (n_instances, n_channels, n_timepoints)
    n_classes : int

    Returns
    -------
    gives_proba : bool
        True if the net follows skorch's convention for ``NLLLoss``: its module returns
        probabilities.

    Raises
    ------
    StudentError
        If the module fails, or does not return one logit per class.
    """
    sample = panel[:2].clone().to(net.device)
    module = net.module_
    was_training = module.training
    try:
        with torch.no_grad():
            answers = first_output(module.eval()(sample))
    except Exception as error:  # a user's module can raise anything
        raise StudentError(
            f"student {type(module).__name__} failed on series of shape {tuple(sample.shape)} "
            f"(n_instances, n_channels, n_timepoints): {type(error).__name__}: {error}"
        ) from error
    finally:
        module.train(was_training)
    shape = tuple(answers.shape) if isinstance(answers, torch.Tensor) else type(answers).__name__
    if shape != (len(sample), n_classes):
        raise StudentError(
            f"student {type(module).__name__} returns shape {shape} for "
            f"{len(sample)} series; expected ({len(sample)}, {n_classes}), one logit for each of "
            f"the {n_classes} classes."
        )
    if not isinstance(net.criterion_, nn.NLLLoss):
        return False
    sums_to_one = torch.allclose(answers.sum(dim=1), torch.ones(len(sample)).to(answers))
    return bool((answers >= 0).all()) and sums_to_one


def learn_standardisation(module, panel):
    """Set the channels' mean and standard deviation in each unset :class:`Standardise`."""
    for part in module.modules():
        if isinstance(part, Standardise) and not part.has_learnt:
            part.learn(panel)


def take_standardisation(module, mean, std):
    """Set the channels' mean and standard deviation, which are known, as in learn_standardisation.

    Parameters
    ----------
    module : torch.nn.Module
    mean, std : ndarray of shape (n_channels,), float64
    """
    for part in module.modules():
        if isinstance(part, Standardise) and not part.has_learnt:
            part.take(as_tensor(mean), as_tensor(std))


def load_weights(module, source):
    """Copy the weights and buffers of another module with the same layers.

    Raises
    ------
    StudentError
        If the layers differ.
    """
    try:
        module.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise StudentError(
            f"warm_start=True starts from the weights of the last fit, but student "
            f"{type(module).__name__} now has other layers: {error}. Keep student, and any "
            "ExplanationAutoencoder in auxiliary, unchanged, or set warm_start=False."
        ) from error
