"""Torch tensors and masked arrays as plain arrays."""

import numpy as np
import torch

from tsdistill.exceptions import PanelError


def as_plain(values, name="X"):
    """Convert a torch tensor or a masked array to an array; return other objects unchanged.

    Parameters
    ----------
    values : object
        Tensors may need gradients, and be on any device.
    name : str, default="X"
        Name of the argument, for errors.

    Raises
    ------
    PanelError
        If some values are masked, since a mask would be lost.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):
            raise PanelError(
                f"{name} has {np.ma.count_masked(values)} masked values, but all values are "
                f"needed; fill them first, for example with {name}.filled(0)."
            )
        return values.data
    return values
