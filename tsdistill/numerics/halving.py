"""Batches that do not fit into memory are computed in halves.

A model answers each series by itself, so the halves give the answers of the whole batch. They may
differ from them in the last digits, since libraries choose the order of their sums by the size of
a batch.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from tsdistill.exceptions import BatchHalvedWarning, TeacherError, warn_user
from tsdistill.numerics.batches import batches

Result = TypeVar("Result")

OUT_OF_MEMORY = (
    "can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED",
)  # fmt: skip
"""In messages of torch's RuntimeErrors: of its CPU allocator, and of CUDA, cuBLAS and cuDNN."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory could not be allocated, by Python, NumPy or torch."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    told = str(error)
    return isinstance(error, RuntimeError) and any(part in told for part in OUT_OF_MEMORY)


def free_memory() -> None:
    """Give back what nothing refers to, also what torch holds of the GPUs' memory for later."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


class Halving:
    """How far the batches of a user's call had to be halved.

    Later batches of the call start with the size that fitted.

    Parameters
    ----------
    most_rows : int, default=None
        Rows of the largest part that is tried. None tries whole batches.
    silent : bool, default=False
        Whether the user is not to be warned, because whoever asked for the answers does that.

    Attributes
    ----------
    most_rows : int or None
        The size that fitted; None if no batch had to be halved.
    """

    def __init__(self, most_rows: int | None = None, silent: bool = False) -> None:
        self.most_rows, self._told = most_rows, silent

    def results(
        self, compute: Callable[[slice], Result], batch: slice, model: object
    ) -> Iterator[tuple[slice, Result]]:
        """Compute a batch, or its parts where memory does not hold the whole.

        Parameters
        ----------
        compute : callable (slice) -> object
            Of some rows, each of which counts by itself.
        batch : slice
            The rows, ``start`` and ``stop``.
        model : object
            What the error and the warning call what is computed.

        Yields
        ------
        part : slice
            In order.
        result : object

        Raises
        ------
        TeacherError
            If memory does not hold a single row.

        Warns
        -----
        BatchHalvedWarning
            Once.
        """
        waiting = self._cut([batch])
        while waiting:
            part = waiting[0]
            try:
                result = compute(part)
            except Exception as error:  # models raise errors of many kinds
                if not is_out_of_memory(error):
                    raise
                self._halve(part.stop - part.start, model, error)
            else:
                self.tell(model)
                yield part, result
                del result
                waiting.pop(0)
                continue
            free_memory()  # now that the exception no longer refers to what was computed
            waiting = self._cut(waiting)

    def _cut(self, parts: list[slice]) -> list[slice]:
        if self.most_rows is None:
            return parts
        return [
            slice(part.start + one.start, part.start + one.stop)
            for part in parts
            for one in batches(part.stop - part.start, self.most_rows)
        ]

    def _halve(self, n_rows: int, model: object, error: Exception) -> None:
        if n_rows <= 1:
            raise TeacherError(
                f"{model} ran out of memory on a single series ({type(error).__name__}: "
                f"{str(error)[:200]}). Free memory, use fewer workers (n_jobs), another device or "
                "a machine with more memory, or replace a smaller model."
            ) from error
        self.most_rows = (n_rows + 1) // 2

    def note(self, most_rows: int | None, model: object) -> None:
        """Take over what somebody else found, and tell the user.

        Parameters
        ----------
        most_rows : int or None
            The size that fitted there.
        model : object
            As in :meth:`results`.
        """
        if most_rows is not None:
            self.most_rows = min(most_rows, self.most_rows or most_rows)
            self.tell(model)

    def tell(self, model: object) -> None:
        """Warn the user, once, if batches had to be halved."""
        if self.most_rows is None or self._told:
            return
        self._told = True
        warn_user(
            f"{model} ran out of memory on a batch of series, so batches are halved: they have "
            f"{self.most_rows} series at most. The answers are the same up to rounding. Other "
            "programs, or fewer workers (n_jobs), may leave more memory.",
            BatchHalvedWarning,
        )
