"""Torch tensors, masked arrays and other numbers as plain arrays."""

from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from tsdistill.exceptions import PanelError, ParameterError
from tsdistill.inputs.types import FloatArray


def as_plain(values: Any, name: str = "X") -> Any:
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
        try:
            values = values.detach().cpu()
            return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
        except (TypeError, RuntimeError) as error:  # sparse, quantised or without values
            raise PanelError(f"{name} is a tensor that cannot be an array: {error}") from error
    if isinstance(values, np.ma.MaskedArray):
        if np.ma.is_masked(values):
            raise PanelError(
                f"{name} has {np.ma.count_masked(values)} masked values, but all values are "
                f"needed; fill them first, for example with {name}.filled(0)."
            )
        return values.data
    return values


def as_array(values: Any, name: str) -> NDArray[Any]:
    """Convert values of any type to an array.

    Parameters
    ----------
    values : array-like or Tensor
    name : str
        Name of the argument, for errors.

    Raises
    ------
    ParameterError
        If the shape is ragged.
    PanelError
        See :func:`as_plain`.
    """
    values = as_plain(values, name)
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} is no array of one shape: {error}.") from error


@overload
def as_real(
    values: ArrayLike, name: str, error: type[Exception] = ..., dtype: type[np.float64] = ...
) -> FloatArray: ...


@overload
def as_real(
    values: ArrayLike, name: str, error: type[Exception] = ..., *, dtype: Literal[None]
) -> NDArray[Any]: ...


def as_real(
    values: ArrayLike,
    name: str,
    error: type[Exception] = ParameterError,
    dtype: type[np.float64] | None = np.float64,
) -> NDArray[Any]:
    """Convert real numbers to an array.

    Parameters
    ----------
    values : array-like or Tensor
    name : str
        Name of the argument, for errors.
    error : type of exception, default=ParameterError
    dtype : dtype or None, default=float64
        None keeps the dtype of numbers that have one.

    Raises
    ------
    ParameterError, or the given error
        If some are complex, strings or no numbers at all, or the shape is ragged.
    """
    values = as_plain(values, name)
    try:
        array = np.asarray(values)
        if array.dtype == object and not any(isinstance(value, str) for value in array.flat):
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as cause:
        raise error(f"{name} is no array of real numbers: {cause}.") from cause
    if array.dtype.kind not in "biuf":
        raise error(f"{name} holds values of type {array.dtype}; expected real numbers.")
    return np.asarray(array, dtype=dtype)
