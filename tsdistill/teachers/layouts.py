"""Which layout of series, 2-D or 3-D, a fitted model takes: declared by it, or found by trial."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsdistill.exceptions import TeacherError, TeacherTimeoutError
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.lengths import has_gaps, lengths_of
from tsdistill.inputs.panel import with_channels
from tsdistill.numerics.halving import Halving
from tsdistill.teachers.adapters import adapter_for, name_of

MOST_LETTERS = 300


def find_layout(
    model: Any, X: NDArray[Any], form: UnevenForm | None = None, timeout: float | None = None
) -> tuple[Any, int]:
    """Adapter for the first layout in which a model answers, and the number of its columns.

    The layout of X is tried first, then, for series of one channel, the other one; a black box
    that refuses float32 in all of them is asked in float64. Series of unequal length are passed
    in their form, an UnevenForm, and then in other forms. A model that does not answer within
    ``timeout`` seconds is not asked again.

    Before another layout than the first is taken, the model is asked in the first once more: a
    model that failed for a moment, and not because of the layout, would else be asked in another
    layout from then on, in which its answers may be others, and nobody would notice.
    """
    sample = np.array(X[:2], dtype=np.float32)
    if form is not None:
        lengths, n_missing = lengths_of(X), np.isnan(with_channels(X)).sum(axis=(1, 2))
        rows = [lengths.argmin(), lengths.argmax(), n_missing.argmax()]
        sample = np.array(X[rows if form.gaps else rows[:2]], dtype=np.float32)
    panel = with_channels(sample)
    layouts = [X.ndim] if form is None else form.in_turn()
    if form is None and panel.shape[1] == 1:
        layouts.append(3 if X.ndim == 2 else 2)
    failures: list[Exception] = []
    adapters = [adapter_for(model, ndim) for ndim in layouts]
    for adapter in adapters:
        adapter.timeout = timeout
    for adapter in adapters + ([] if form is not None else _in_float64(adapters)):
        n_columns = _n_columns_or_none(adapter, model, panel, sample.shape, failures)
        if n_columns is None:
            continue
        if failures:
            again = _n_columns_or_none(adapters[0], model, panel, sample.shape, failures)
            if again is not None:
                return adapters[0], again
        return adapter, n_columns
    if form is not None:
        raise uneven_error(model, X, form, failures) from failures[0]
    # Answers that cannot be used tell more than the refusal of a layout.
    error = next((f for f in failures if isinstance(f, TeacherError)), failures[0])
    if isinstance(error, TeacherError):
        raise error
    raise TeacherError(
        f"teacher {name_of(model)} failed on two series of shape {sample.shape}: "
        f"{type(error).__name__}: {error}. It is queried in the shape of X; check that it "
        "was fitted on as many channels and timepoints. To use a model that takes flat features, "
        "pass a callable that reshapes X first."
    ) from error


def _n_columns_or_none(
    adapter: Any,
    model: Any,
    panel: NDArray[Any],
    shape: tuple[int, ...],
    failures: list[Exception],
) -> int | None:
    """The number of columns of a model's answers; None if it fails, which goes to ``failures``."""
    try:
        return _n_columns(adapter, panel, name_of(model))
    except TeacherTimeoutError:
        raise
    except OSError as error:  # a connection that fails refuses no layout
        raise TeacherError(
            f"teacher {name_of(model)} failed on two series of shape {shape}: "
            f"{type(error).__name__}: {error}."
        ) from error
    except Exception as error:  # the model is the user's: any exception can come out of it
        failures.append(error)
        return None


def _n_columns(adapter: Any, panel: NDArray[Any], name: str) -> int:
    """The number of columns of an adapter's answers; memory that is short refuses no layout."""
    asked = Halving().results(
        lambda part: adapter.log_proba(panel[part].copy()).shape[1],
        slice(0, len(panel)),
        f"teacher {name}",
    )
    return max(n_columns for _, n_columns in asked)


def _in_float64(adapters: list[Any]) -> list[Any]:
    """Copies of the adapters of black boxes that give float64, as Catch22 in aeon needs."""
    copies = [copy.copy(adapter) for adapter in adapters if hasattr(adapter, "dtype")]
    for adapter in copies:
        adapter.dtype = np.float64
    return copies


def uneven_error(model, X, form, failures):
    """Build the error for a model that failed in all forms of series of unequal length.

    Parameters
    ----------
    model : classifier, torch.nn.Module or callable
    X : ndarray of shape (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints)
    form : UnevenForm
        That of the user.
    failures : list of Exception
        In the order of the forms; the first is shown, and the one as a list of data frames.
    """
    as_frames = [other.name for other in form.in_turn()].index("df-list")
    shown = dict.fromkeys(
        f"as {name}, {type(error).__name__}: {str(error)[:MOST_LETTERS].rstrip('.')}"
        for name, error in ((form.name, failures[0]), ("df-list", failures[as_frames]))
    )
    if has_gaps(X):
        return TeacherError(
            f"teacher {name_of(model)} cannot take series with missing values "
            f"({'; '.join(shown)}). Put a step in front of it that fills them, such as "
            "FitInTransform(Imputer('linear')) of sktime.transformations in a pipeline of sktime, "
            "or SimpleImputer in one of scikit-learn, or pass a callable that does so."
        )
    return TeacherError(
        f"teacher {name_of(model)} cannot take series of unequal length ({'; '.join(shown)}). Put "
        "a step in front of it that brings them to one length, such as PaddingTransformer, "
        "TruncationTransformer or TSInterpolator of sktime.transformations in a pipeline, or pass "
        "a callable that does so; a torch module is also asked as module(series, lengths) or "
        "module(series, mask), if its forward has a parameter of that name."
    )


def check_declared_shape(model: Any, X: NDArray[Any]) -> None:
    """Raise TeacherError if a fitted model declares a series shape that X does not have."""
    n_channels, n_timepoints = (X.shape[1] if X.ndim == 3 else 1), X.shape[-1]
    attributes = {
        "timepoints": (n_timepoints, ("n_timepoints_in_", "n_timepoints_", "series_length")),
        "channels": (n_channels, ("n_channels_in_", "n_channels_")),
    }
    for axis, (got, names) in attributes.items():
        for name in names:
            declared = getattr(model, name, None)
            if isinstance(declared, (int, np.integer)) and 0 < declared != got:
                raise TeacherError(
                    f"teacher {name_of(model)} was fitted on {declared} {axis}, but X of shape "
                    f"{X.shape} has {got}; pass series of the shape that it was fitted on."
                )
    metadata = getattr(model, "_X_metadata", None)  # sktime has no public attribute for this
    if isinstance(metadata, dict) and metadata.get("is_univariate") and n_channels > 1:
        raise TeacherError(
            f"teacher {name_of(model)} was fitted on series of 1 channel, but X of shape {X.shape} "
            f"has {n_channels}; pass series of the shape that it was fitted on."
        )
