"""What counts as a student: each accepted form becomes an unfitted skorch net."""

import copy
import functools

import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from torch import nn

from tsdistill.exceptions import StudentError
from tsdistill.inputs.checks import quoted
from tsdistill.numerics.logits import first_output
from tsdistill.students import STUDENTS
from tsdistill.students.base import Standardise, Student


def as_net(student, n_channels, n_timepoints, n_classes, **settings):
    """Make an unfitted skorch net of any form of student.

    Parameters
    ----------
    student : str, Student, torch.nn.Module, callable or skorch.NeuralNetClassifier
        A name, a configuration, a module (copied; training starts from its weights), a
        factory ``(n_channels, n_timepoints, n_classes) -> module``, or an unfitted skorch
        net, which is cloned and keeps its own settings, but for criterion, iterators and
        ``train_split``.
    n_channels, n_timepoints, n_classes : int
    **settings
        skorch settings (``max_epochs``, ``lr``, ...), used unless student is a skorch net.

    Returns
    -------
    net : skorch.NeuralNetClassifier
        Neither initialised nor fitted.

    Raises
    ------
    StudentError
        If student is none of these.
    """
    if isinstance(student, NeuralNetClassifier):
        return _own_net(student, n_classes)
    if isinstance(student, type) and issubclass(student, Student):
        raise StudentError(f"student is the class {student.__name__}; pass {student.__name__}().")
    shape = (n_channels, n_timepoints, n_classes)
    if isinstance(student, str) and student in STUDENTS:
        module = STUDENTS[student]().build(*shape)
    elif isinstance(student, Student) or (
        hasattr(student, "build") and not isinstance(student, nn.Module)
    ):
        module = student.build(*shape)
    elif isinstance(student, nn.Module):
        module = copy.deepcopy(student)
    elif callable(student):
        module = student(*shape)
    else:
        raise StudentError(
            f"student={student!r}; expected one of {quoted(STUDENTS)}, a "
            "configuration such as students.Lite(), a torch module, a factory (n_channels, "
            "n_timepoints, n_classes) -> module, or an unfitted skorch.NeuralNetClassifier."
        )
    if not isinstance(module, nn.Module):
        raise StudentError(
            f"student {student!r} built a {type(module).__name__}; expected a torch.nn.Module."
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise StudentError(f"student {type(module).__name__} has no weights to train.")
    return NeuralNetClassifier(
        module,
        criterion=nn.CrossEntropyLoss,
        classes=list(range(n_classes)),
        train_split=None,
        callbacks__print_log=None,
        verbose=0,
        **settings,
    )


def _own_net(net, n_classes):
    """A user's net, cloned, with what it leaves open filled in."""
    if getattr(net, "initialized_", False):
        raise StudentError(
            "student is a skorch net that is initialised or fitted already, and fit would start "
            "anew; pass an unfitted net, or its module_ to train on from its weights."
        )
    net = clone(net)
    if net.classes is None:
        net.set_params(classes=list(range(n_classes)))
    if net.device is None:
        net.set_params(device="cpu")
    return net


def extend_net(net, panel, n_classes, extensions):
    """Give the module of a net that is not initialised yet further layers.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
    panel : Tensor of shape (n_instances, n_channels, n_timepoints)
    n_classes : int
    extensions : list of callable, each from a module to one that holds it

    Raises
    ------
    StudentError
        If the module answers with probabilities, to which nothing can be added.
    """
    if not extensions:
        return
    if check_outputs(clone(net).initialize(), panel, n_classes):
        raise StudentError(
            "student answers with probabilities (its criterion is NLLLoss), but an objective adds "
            "layers that speak in its logits, as ExplanationAutoencoder does; let the module give "
            "logits, with CrossEntropyLoss."
        )
    net.set_params(module=functools.partial(_extended_module, net.module, extensions))


def _extended_module(inner, extensions, /, **settings):
    if not isinstance(inner, nn.Module):
        inner = inner(**settings)
    elif settings:
        inner = type(inner)(**settings)
    for extend in extensions:
        inner = extend(inner)
    return inner


def check_outputs(net, panel, n_classes):
    """Ask an initialised net about two series, and find out what it answers with.

    Parameters
    ----------
    net : initialised skorch.NeuralNetClassifier
    panel : Tensor of shape (n_instances, n_channels, n_timepoints)
    n_classes : int

    Returns
    -------
    gives_proba : bool
        True where the net follows skorch's convention for ``NLLLoss``: the module answers
        with probabilities.

    Raises
    ------
    StudentError
        If the module fails, or does not give one logit a class.
    """
    sample = panel[:2].clone().to(net.device)
    module = net.module_
    was_training = module.training
    try:
        with torch.no_grad():
            answers = first_output(module.eval()(sample))
    except Exception as error:  # the module is the user's: anything can come out of it
        raise StudentError(
            f"student {type(module).__name__} failed on series of shape {tuple(sample.shape)} "
            f"(n_instances, n_channels, n_timepoints): {type(error).__name__}: {error}"
        ) from error
    finally:
        module.train(was_training)
    if tuple(answers.shape) != (len(sample), n_classes):
        raise StudentError(
            f"student {type(module).__name__} answers {len(sample)} series in shape "
            f"{tuple(answers.shape)}; expected ({len(sample)}, {n_classes}), one logit for each "
            f"of the {n_classes} classes."
        )
    if not isinstance(net.criterion_, nn.NLLLoss):
        return False
    sums_to_one = torch.allclose(answers.sum(dim=1), torch.ones(len(sample)).to(answers))
    return bool((answers >= 0).all()) and sums_to_one


def learn_standardisation(module, panel):
    """Set every new :class:`Standardise` of a module to the channels' mean and deviation."""
    for part in module.modules():
        if isinstance(part, Standardise) and not part.has_learnt:
            part.learn(panel)


def load_weights(module, source):
    """Give a module the weights and buffers of another of the same layers.

    Raises
    ------
    StudentError
        If the layers differ.
    """
    try:
        module.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise StudentError(
            f"warm_start=True goes on with the weights of the last fit, but student "
            f"{type(module).__name__} now has other layers: {error}. Leave student, and an "
            "ExplanationAutoencoder in auxiliary, as they were, or set warm_start=False."
        ) from error
