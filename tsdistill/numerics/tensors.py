"""Converts arrays to tensors that share their memory."""

import warnings

import torch


def as_tensor(array, device="cpu"):
    """Convert an array to a tensor; on the CPU it shares the memory of the array.

    Read-only arrays are accepted, without torch's warning: callers never write to the tensor.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.as_tensor(array, device=device)
