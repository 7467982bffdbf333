"""The fingerprint of a teacher, by which the cache recognises it.

It consists of the teacher's answers to a few probes and, where one can be computed, a digest of
the teacher's content.
"""

import dataclasses
import io
import pickle
import types
from dataclasses import dataclass
from typing import TypeVar

import joblib
import numpy as np
import torch
from torch import nn

from tsdistill.inputs.checks import as_list
from tsdistill.inputs.lengths import lengths_of, to_length
from tsdistill.inputs.types import Float32Array
from tsdistill.perturbation.uneven import stretched
from tsdistill.teachers.adapters import is_skorch_net
from tsdistill.teachers.bound import BoundTeacher
from tsdistill.teachers.querying import QueryOptions, query

AnyBound = TypeVar("AnyBound", bound=BoundTeacher)

CLEAN_PROBES = 32
MIXED_PROBES = 32
OF_ANY_MODULE = frozenset(vars(nn.Module()))
"""Attributes that torch gives every module: weights, parts, hooks and its mode."""


def digest_of(model):
    """Digest of the content of a model, the same in every process.

    Parameters
    ----------
    model : classifier, torch.nn.Module, callable, or list of these

    Returns
    -------
    digest : str, or None
        None if the model cannot be pickled. Torch modules, alone or inside other models, count
        with their weights, buffers, hooks and those of their attributes that can be pickled; a
        function that cannot be imported counts with its code and what it refers to.
    """
    return _digest_within(model, frozenset())


def _digest_within(content, containers):
    """Digest of a part of a model; ``containers`` are the ids of what it is a part of."""
    if isinstance(content, (list, tuple)):
        members = [_digest_within(member, containers) for member in content]
        return None if None in members else joblib.hash(members)
    if is_skorch_net(content) and hasattr(content, "module_"):
        content = content.module_, type(content.criterion_), content.predict_nonlinearity
    try:
        pickled = io.BytesIO()
        _ContentPickler(pickled, containers).dump(content)
        # A pickled copy is hashed, since joblib hashes depend on which objects share parts.
        return joblib.hash(pickle.loads(pickled.getvalue()))  # nosec B301
    except Exception:  # the model is the user's: any exception can come out of it
        return None


class _ContentPickler(pickle.Pickler):
    """A pickler that replaces what cannot be pickled, or not to the same bytes everywhere."""

    def __init__(self, file, containers):
        super().__init__(file)
        self.containers = containers

    def reducer_override(self, obj):
        if isinstance(obj, torch.Tensor):
            content = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return tuple, ((str(obj.dtype), tuple(obj.shape), joblib.hash(content)),)
        if isinstance(obj, BoundTeacher):  # a timeout changes no answer
            state = {name: value for name, value in vars(obj).items() if name != "timeout"}
            return tuple, ((type(obj).__qualname__, state),)
        if isinstance(obj, types.MethodType):  # would be looked up in what replaces a module
            return tuple, ((obj.__func__.__qualname__, obj.__self__),)
        if isinstance(obj, types.FunctionType) and _is_importable(obj):
            return NotImplemented
        if isinstance(obj, (nn.Module, types.FunctionType)):
            content_of = _content_of if isinstance(obj, nn.Module) else _content_of_function
            inside = self.containers | {id(obj)}
            again = id(obj) in self.containers
            return tuple, (("again",) if again else content_of(obj, inside),)
        return NotImplemented


def _content_of(module, containers):
    """What decides a module's answers in eval mode, where it can be pickled."""
    attributes = {
        name: _digest_within(value, containers)
        for name, value in vars(module).items()
        if name not in OF_ANY_MODULE
    }
    hooks = [*module._forward_pre_hooks.values(), *module._forward_hooks.values()]
    parts = {name: _digest_within(part, containers) for name, part in module._modules.items()}
    weights = dict(module._parameters), dict(module._buffers)
    hooks = [_digest_within(hook, containers) for hook in hooks]
    return type(module).__qualname__, *weights, parts, hooks, attributes


def _content_of_function(function, containers):
    """Code of a function, and what it refers to, where that can be pickled."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    names = [name for name in function.__code__.co_names if name in function.__globals__]
    used = {name: function.__globals__[name] for name in names}
    used = {k: value for k, value in used.items() if not isinstance(value, types.ModuleType)}
    referred = [*cells, *(function.__defaults__ or ()), *used.values()]
    referred = [_digest_within(value, containers) for value in referred]
    return _content_of_code(function.__code__), sorted(used), referred


def _content_of_code(code):
    constants = [
        _content_of_code(one) if isinstance(one, types.CodeType) else repr(one)
        for one in code.co_consts
    ]
    return code.co_code, constants, code.co_names


def _is_importable(function):
    return function.__module__ != "__main__" and "<" not in function.__qualname__


def probes(panel):
    """Series whose answers identify a teacher.

    Some are series of the panel; the others start as one series and end as another. Models that
    fit their training series perfectly agree on the former, but differ on the latter. No probe
    is a perturbed copy from a window plan.

    Parameters
    ----------
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32

    Returns
    -------
    probes : ndarray of shape (n_probes, n_channels, n_timepoints), float32
    """
    n_instances, _, n_timepoints = panel.shape
    rng = np.random.default_rng(0)
    some = np.linspace(0, n_instances - 1, min(n_instances, CLEAN_PROBES)).round().astype(int)
    first, second = rng.integers(n_instances, size=(2, MIXED_PROBES))
    until = rng.integers(n_timepoints, size=MIXED_PROBES)
    starts = np.arange(n_timepoints) < until[:, np.newaxis]
    first, second = panel[first], panel[second]
    if np.isnan(panel).any():  # both as long as the first
        second = to_length(stretched(second, lengths_of(first)), n_timepoints)
    mixed = np.where(starts[:, np.newaxis], first, second)
    return np.concatenate([panel[some], mixed])


def with_fingerprint(teacher: AnyBound, panel: Float32Array, options: QueryOptions) -> AnyBound:
    """Give a teacher the fingerprint that the cache needs, if there is a cache.

    The digest is left out if a query changes the model's content, for example if the model
    counts its queries.

    Parameters
    ----------
    teacher : bound Teacher
    panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
        Series from which the probes are made.
    options : QueryOptions

    Returns
    -------
    teacher : Teacher
        The given teacher if there is no cache or it already has a fingerprint; otherwise a new
        one around the same model.
    """
    if options.memory is None or teacher.fingerprint is not None:
        return teacher
    before = digest_of(teacher.model)
    plain = teacher.with_factor(1.0)
    answers = query(
        plain, probes(panel), QueryOptions(device=options.device, halving=options.halving)
    )
    digest = before if before == digest_of(teacher.model) else None
    return teacher.identified_by((answers, digest))


@dataclass(frozen=True)
class TeacherSource:
    """Models, labels and weights that a teacher comes from, to recognise a teacher that changed.

    Attributes
    ----------
    models : tuple
        The model, or the members of a list; compared by identity.
    settings : tuple
        The labels, the scale and the timeout that the user gave the teacher and each member.
    digests : tuple of (str or None)
        Digest of the content of each model (of its parameters if it is unfitted), then of the
        weights of each torch module. None if there is none, or if queries change it.
    weights : str or None
        Digest of the sample weights with which an unfitted teacher was fitted.
    """

    models: tuple
    settings: tuple
    digests: tuple
    weights: str | None

    @classmethod
    def of(cls, teacher, teacher_weight):
        """The source of a teacher, which is fitted with ``teacher_weight`` if it is unfitted."""
        models = as_list(teacher.model)
        weights = None if teacher.is_fitted else joblib.hash(teacher_weight)
        settings = tuple(_as_set(one) for one in (teacher, *models))
        return cls(tuple(models), settings, _digests_of(models), weights)

    def is_still(self, other):
        """Whether a teacher from this source answers as a teacher from the other source did."""
        return (
            len(self.models) == len(other.models)
            and all(model is last for model, last in zip(self.models, other.models, strict=True))
            and self.settings == other.settings
            and all(
                last is None or digest == last
                for digest, last in zip(self.digests, other.digests, strict=True)
            )
            and self.weights == other.weights
        )

    def settled(self):
        """The source after the queries; without the digests that the queries changed."""
        now = _digests_of(self.models)
        kept = [one if one == new else None for one, new in zip(self.digests, now, strict=True)]
        return dataclasses.replace(self, digests=tuple(kept))


def _digests_of(models):
    """Digest of each model, then of the weights of each, see :class:`TeacherSource`."""
    modules = [getattr(model, "module_", model) for model in models]
    weights = [
        digest_of([*module.parameters(), *module.buffers()])
        if isinstance(module, nn.Module)
        else None
        for module in modules
    ]
    return *map(digest_of, models), *weights


def _as_set(model):
    """The settings that a user gave a Teacher; None for any other model."""
    if not isinstance(model, BoundTeacher):
        return None
    classes = None if model.classes is None else np.asarray(model.classes).tolist()
    return repr(classes), repr(model.scale), repr(model.timeout)
