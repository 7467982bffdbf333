"""Whether a model is still the one it was: a digest of its content."""

import io
import pickle

import joblib
import torch
from torch import nn


def digest_of(model):
    """A digest of what a model consists of, the same in every process.

    Parameters
    ----------
    model : classifier, torch.nn.Module, callable, or list of these

    Returns
    -------
    digest : str, or None
        Of a torch module that of its weights and buffers: the module itself has no hash that
        another process would find again. None of what cannot be pickled, holds torch modules
        besides other things, or has a state that is no plain tensors.
    """
    if isinstance(model, (list, tuple)):
        members = [digest_of(member) for member in model]
        return None if None in members else joblib.hash(members)
    try:
        module = getattr(model, "module_", model)  # that of a skorch net
        if isinstance(module, nn.Module):
            return joblib.hash((type(module).__qualname__, _weights_of(module)))
        # Of a copy: objects that share a part, and their copies that do not, hash differently.
        content = io.BytesIO()
        _ContentPickler(content).dump(model)
        return joblib.hash(pickle.loads(content.getvalue()))
    except Exception:  # the model is the user's: anything can come out of it
        return None


def _weights_of(module):
    """Bytes of a module's weights and buffers, by name."""
    return {
        name: tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        for name, tensor in module.state_dict().items()
    }


class _ContentPickler(pickle.Pickler):
    """Refuses torch's objects."""

    def reducer_override(self, obj):
        if isinstance(obj, (nn.Module, torch.Tensor)):
            raise pickle.PicklingError("torch objects have no hash of their content")
        return NotImplemented
