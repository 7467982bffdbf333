"""The fingerprint of a teacher, by which the cache recognises it.

It consists of the teacher's answers to a few probes and, where one can be computed, a digest of
the teacher's content.
"""

import dataclasses
import io
import pickle
from dataclasses import dataclass

import joblib
import numpy as np
import torch
from torch import nn

from tsdistill.inputs.checks import as_list
from tsdistill.teachers.querying import QueryOptions, query

CLEAN_PROBES = 32
MIXED_PROBES = 32


def digest_of(model):
    """Digest of the content of a model, the same in every process.

    Parameters
    ----------
    model : classifier, torch.nn.Module, callable, or list of these

    Returns
    -------
    digest : str, or None
        For a torch module, the digest of its weights and buffers, since the hash of the module
        itself differs between processes. None if the model cannot be pickled, mixes torch
        modules with other content, or has a state that is not made of plain tensors.
    """
    if isinstance(model, (list, tuple)):
        members = [digest_of(member) for member in model]
        return None if None in members else joblib.hash(members)
    try:
        module = getattr(model, "module_", model)  # a skorch net wraps its module
        if isinstance(module, nn.Module):
            return joblib.hash((type(module).__qualname__, _weights_of(module)))
        # A pickled copy is hashed, since joblib hashes depend on which objects share parts.
        content = io.BytesIO()
        _ContentPickler(content).dump(model)
        return joblib.hash(pickle.loads(content.getvalue()))
    except Exception:  # the model is the user's: any exception can come out of it
        return None


def _weights_of(module):
    """Bytes of each weight and buffer of a module, by name."""
    return {
        name: tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        for name, tensor in module.state_dict().items()
    }


class _ContentPickler(pickle.Pickler):
    """A pickler that refuses torch objects, whose pickles differ between processes."""

    def reducer_override(self, obj):
        if isinstance(obj, (nn.Module, torch.Tensor)):
            raise pickle.PicklingError("the pickle of a torch object is not a hash of its content")
        return NotImplemented


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
    """The models and weights that a teacher comes from, to recognise a teacher that changed.

    Attributes
    ----------
    models : tuple
        The model, or the members of a list; compared by identity.
    digest : str or None
        Digest of the models' content, or of the parameters of unfitted models. None if queries
        change it.
    weights : str or None
        Digest of the sample weights with which an unfitted teacher was fitted.
    """

    models: tuple
    digest: str | None
    weights: str | None

    @classmethod
    def of(cls, teacher, teacher_weight):
        """The source of a teacher, which is fitted with ``teacher_weight`` if it is unfitted."""
        models = as_list(teacher.model)
        weights = None if teacher.is_fitted else joblib.hash(teacher_weight)
        return cls(tuple(models), digest_of(list(models)), weights)

    def is_still(self, other):
        """Whether a teacher from this source answers as a teacher from the other source did."""
        return (
            len(self.models) == len(other.models)
            and all(model is last for model, last in zip(self.models, other.models, strict=True))
            and (other.digest is None or self.digest == other.digest)
            and self.weights == other.weights
        )

    def settled(self):
        """The source after the queries; without the digest, if the queries changed it."""
        unchanged = self.digest == digest_of(list(self.models))
        return self if unchanged else dataclasses.replace(self, digest=None)
