"""The fingerprint of a teacher, by which the cache recognises it.

It consists of the teacher's answers to a few probes and, where one can be computed, a digest of
the teacher's content.
"""

import dataclasses
import io
import pickle
import types
from dataclasses import dataclass

import joblib
import numpy as np
import torch
from torch import nn

from tsdistill.inputs.checks import as_list
from tsdistill.teachers.querying import QueryOptions, query

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
        with their weights, buffers and those of their attributes that can be pickled.
    """
    if isinstance(model, (list, tuple)):
        members = [digest_of(member) for member in model]
        return None if None in members else joblib.hash(members)
    try:
        content = io.BytesIO()
        _ContentPickler(content).dump(getattr(model, "module_", model))  # of a skorch net: module
        # A pickled copy is hashed, since joblib hashes depend on which objects share parts.
        return joblib.hash(pickle.loads(content.getvalue()))
    except Exception:  # the model is the user's: any exception can come out of it
        return None


class _ContentPickler(pickle.Pickler):
    """A pickler that replaces torch objects, whose pickles differ between processes."""

    def reducer_override(self, obj):
        if isinstance(obj, nn.Module):
            return tuple, (_content_of(obj),)
        if isinstance(obj, types.MethodType):  # would be looked up in what replaces a module
            return tuple, ((obj.__func__.__qualname__, obj.__self__),)
        if isinstance(obj, torch.Tensor):
            content = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return tuple, ((str(obj.dtype), tuple(obj.shape), joblib.hash(content)),)
        return NotImplemented


def _content_of(module):
    """All that decides a module's answers in eval mode, where it can be pickled."""
    attributes = {
        name: digest_of(value) for name, value in vars(module).items() if name not in OF_ANY_MODULE
    }
    parts = module._parameters, module._buffers, module._modules
    return type(module).__qualname__, *map(dict, parts), attributes


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
    mixed = np.where(starts[:, np.newaxis], panel[first], panel[second])
    return np.concatenate([panel[some], mixed])


def with_fingerprint(teacher, panel, options):
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
    answers = query(teacher, probes(panel), QueryOptions(device=options.device))
    digest = before if before == digest_of(teacher.model) else None
    return teacher.identified_by((answers, digest))


@dataclass(frozen=True)
class TeacherSource:
    """Models, labels and weights that a teacher comes from, to recognise a teacher that changed.

    Attributes
    ----------
    models : tuple
        The model, or the members of a list; compared by identity.
    labels : tuple
        The labels that the user gave the columns, of the teacher and of each member.
    digests : tuple of (str or None)
        Digest of the content of each model (of its parameters if it is unfitted), then of the
        weights of each torch module. None if there is none, or if queries change it.
    weights : str or None
        Digest of the sample weights with which an unfitted teacher was fitted.
    """

    models: tuple
    labels: tuple
    digests: tuple
    weights: str | None

    @classmethod
    def of(cls, teacher, teacher_weight):
        """The source of a teacher, which is fitted with ``teacher_weight`` if it is unfitted."""
        models = as_list(teacher.model)
        weights = None if teacher.is_fitted else joblib.hash(teacher_weight)
        labels = tuple(_given_labels(one) for one in (teacher, *models))
        return cls(tuple(models), labels, _digests_of(models), weights)

    def is_still(self, other):
        """Whether a teacher from this source answers as a teacher from the other source did."""
        return (
            len(self.models) == len(other.models)
            and all(model is last for model, last in zip(self.models, other.models, strict=True))
            and self.labels == other.labels
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


def _given_labels(model):
    """The labels that a user gave the columns of a Teacher; None for any other model."""
    classes = getattr(model, "classes", None)
    return None if classes is None else repr(np.asarray(classes).tolist())
