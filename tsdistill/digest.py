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
        another process would find again. None of what cannot be pickled, or holds torch modules
        besides other things.
    """
    if isinstance(model, (list, tuple)):
        members = [digest_of(member) for member in model]
        return None if None in members else joblib.hash(members)
    module = getattr(model, "module_", model)  # that of a skorch net
    if isinstance(module, nn.Module):
        weights = {name: tensor.detach().cpu() for name, tensor in module.state_dict().items()}
        arrays = {
            name: tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
            for name, tensor in weights.items()
        }
        return joblib.hash((type(module).__qualname__, arrays))
    try:
        # Of a copy: objects that share a part, and their copies that do not, hash differently.
        content = io.BytesIO()
        _ContentPickler(content).dump(model)
        return joblib.hash(pickle.loads(content.getvalue()))
    except Exception:  # the model is the user's: anything can come out of it
        return None


class _ContentPickler(pickle.Pickler):
    """Refuses torch's objects."""

    def reducer_override(self, obj):
        if isinstance(obj, (nn.Module, torch.Tensor)):
            raise pickle.PicklingError("torch objects have no hash of their content")
        return NotImplemented
