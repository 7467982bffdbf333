"""Arrays as tensors that share their memory."""

import warnings

import torch


def as_tensor(array, device="cpu"):
    """A tensor that shares the memory of an array where device is the CPU.

    Read-only arrays too: nobody here writes to such a tensor.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.as_tensor(array, device=device)
