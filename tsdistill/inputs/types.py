"""Types of what users pass and get, for the signatures of public functions."""

import os
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike, NDArray


class StoredArray(Protocol):
    """Series that are not in memory: a memory map, a Zarr or Dask array, an h5py data set."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""

    @property
    def dtype(self) -> DTypeLike:
        """Type of the values."""

    def __getitem__(self, rows: slice, /) -> ArrayLike:
        """Rows, as something that NumPy can convert."""


Series: TypeAlias = ArrayLike | StoredArray
"""Arrays, lists of arrays, data frames and sktime's panels (all can be arrays), and stored ones."""

Path: TypeAlias = str | os.PathLike[str]
RandomSource: TypeAlias = int | np.random.Generator | np.random.RandomState | None
Device: TypeAlias = str | torch.device

Float32Array: TypeAlias = NDArray[np.float32]
FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
LabelArray: TypeAlias = NDArray[Any]
"""Labels may be of any type."""

Metric: TypeAlias = Literal[
    "agreement", "kl", "js", "saliency", "top_overlap", "accuracy", "nll", "ece", "deletion",
    "insertion", "auprc", "auroc",
]  # fmt: skip
"""Names of :data:`tsdistill.fidelity.scorers.METRICS`."""

Method: TypeAlias = Literal["occlusion", "gradient", "integrated_gradients", "autoencoder"]
"""Names of :data:`tsdistill.explainers.registry.EXPLAINERS`."""

Fill: TypeAlias = Literal["opposing", "mean", "zero"]
"""Kinds of baselines, which take the place of windows in explanations."""
