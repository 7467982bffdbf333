"""Answers for series that are not in memory, of which a chunk is asked about at a time."""

import contextlib
from collections.abc import Callable
from typing import Any

from tqdm.auto import tqdm

from tsdistill.inputs.checks import check_out
from tsdistill.inputs.stored import StoredPanel
from tsdistill.inputs.types import Float32Array
from tsdistill.numerics.large_arrays import large_array


def answers_in_chunks(ask, panel, shape, *, out=None, folder=None, bar=None):
    """Ask about chunks of a stored panel in turn; the next one is read meanwhile.

    A chunk consists of whole batches, so that the answers are those that series in memory have.

    Parameters
    ----------
    ask : callable (series, slice) -> ndarray of shape (n, *shape)
        Takes the series of a chunk, in memory, and where they lie in the panel.
    panel : StoredPanel
    shape : tuple of int
        Of the answer to one series.
    out : ndarray of shape (n_instances, *shape), default=None
        Where the answers go; None makes a float32 array, in a file if it is large.
    folder : path, default=None
        Of that file.
    bar : str, default=None
        Title of a progress bar; None shows none.

    Returns
    -------
    answers : ndarray of shape (n_instances, *shape)
    """
    if out is None:
        out = large_array((len(panel), *shape), "float32", folder)
    # No bar is made in vain, see ``querying.query``.
    shown = (
        contextlib.nullcontext() if bar is None else tqdm(total=len(panel), desc=bar, leave=False)
    )
    with shown as progress:
        for part, series in panel.chunks_ahead():
            out[part] = ask(series, part)
            if progress is not None:
                progress.update(len(series))
            del series  # before the next but one is read
    return out


def in_parts(
    ask: Callable[[Float32Array, slice], Float32Array],
    panel: Float32Array | StoredPanel,
    shape: tuple[int, ...],
    out: Any = None,
) -> Any:
    """Ask about a panel: all of it at once, or in chunks if it is not in memory.

    Parameters
    ----------
    ask : callable (series, slice) -> ndarray of shape (n, *shape)
    panel : ndarray or StoredPanel
    shape : tuple of int
        Of the answer to one series.
    out : array of shape (n_instances, *shape), default=None
        Where the answers go.

    Returns
    -------
    answers : ndarray of shape (n_instances, *shape), or ``out``

    Raises
    ------
    ParameterError
        If ``out`` cannot take the answers.
    """
    check_out(out, (len(panel), *shape))
    if isinstance(panel, StoredPanel):
        return answers_in_chunks(ask, panel, shape, out=out)
    answers = ask(panel, slice(None))
    if out is None:
        return answers
    out[:] = answers
    return out
