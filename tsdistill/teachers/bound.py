"""A bound teacher: what one can ask it, whatever its model is."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.validation import check_array

from tsdistill.exceptions import PanelError, TeacherError, TsdistillError
from tsdistill.inputs.formats import as_array
from tsdistill.inputs.forms import UnevenForm
from tsdistill.inputs.lengths import check_ends
from tsdistill.inputs.panel import as_panel
from tsdistill.inputs.types import Device, Float32Array, IntArray, LabelArray, Series
from tsdistill.numerics.batches import batches_of_series
from tsdistill.numerics.halving import Halving
from tsdistill.numerics.logits import log_softmax, proba_of
from tsdistill.teachers.adapters import AverageAdapter, FoundInside

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from typing_extensions import Self

    from tsdistill.teachers.types import Scale


@contextlib.contextmanager
def failures_named(teacher: BoundTeacher, series: Any) -> Iterator[None]:
    """Make a context in which what a model raises becomes a TeacherError.

    Parameters
    ----------
    teacher : BoundTeacher
        Around the model.
    series : ndarray or object with arrays as slices
        What it is asked about.

    Raises
    ------
    TeacherError
        If it raises any exception but our own.
    """
    try:
        yield
    except TsdistillError:
        raise
    except Exception as error:  # the user's model may raise anything
        raise TeacherError(
            f"{teacher!r} failed on series of shape {series[0:1].shape[1:]}, which may be "
            f"perturbed copies: {type(error).__name__}: {error}"
        ) from error


class BoundTeacher:
    """The part of :class:`~tsdistill.teachers.teacher.Teacher` that follows ``bind``.

    ``bind`` sets the adapter that queries the model, the columns that are needed, ``classes_``,
    ``left_out`` and the shape of a series.
    """

    classes_: LabelArray
    fingerprint: tuple[Float32Array, str | None] | None = None
    left_out: Sequence[Any] = ()
    factor = 1.0
    scale: Scale | None
    _adapter: Any
    _columns: IntArray | None
    _n_columns: int | None = None
    _series_shape: tuple[int, ...] | None = None

    def identified_by(self, fingerprint: tuple[Float32Array, str | None]) -> Self:
        """Return a new teacher around the same model, with a fingerprint.

        Parameters
        ----------
        fingerprint : tuple of ndarray and (str or None)
            Answers to probes, and a digest.

        Returns
        -------
        Teacher
            A shallow copy.
        """
        identified = copy.copy(self)
        identified.fingerprint = fingerprint
        return identified

    def with_factor(self, factor: float) -> Self:
        """Return a new teacher around the same model, whose logits are scaled by a factor.

        Parameters
        ----------
        factor : float
            Above 0.

        Returns
        -------
        Teacher
            A shallow copy.
        """
        scaled = copy.copy(self)
        scaled.factor = factor
        return scaled

    @property
    def inner(self) -> Sequence[BoundTeacher] | None:
        """The bound members of a list; None if the model is no list."""
        return getattr(self._adapter, "teachers", None)

    def around(self, members: Sequence[BoundTeacher]) -> Self:
        """Return a new teacher around other bound members of a list.

        Parameters
        ----------
        members : list of Teacher
            Bound to the same classes.

        Returns
        -------
        Teacher
            A shallow copy.
        """
        other = copy.copy(self)
        other._adapter = AverageAdapter(members)
        return other

    def with_factors_of(self, other: BoundTeacher) -> Self:
        """Return a new teacher around the same model, with the scales of another around it.

        Parameters
        ----------
        other : Teacher
            Bound, of the same structure.

        Returns
        -------
        Teacher
            A shallow copy.
        """
        scaled = self.with_factor(other.factor)
        if self.inner is None:
            return scaled
        pairs = zip(self.inner, other.inner or (), strict=True)
        return scaled.around([mine.with_factors_of(theirs) for mine, theirs in pairs])

    @property
    def wants_calibration(self) -> bool:
        """Whether the scale of the logits is to follow from labels, but for those of members."""
        found = isinstance(self._adapter, FoundInside)
        return self.scale == "calibrated" or (self.scale is None and found)

    def scaled(self, log_proba: Float32Array) -> Float32Array:
        """Give log-probabilities of the model the scale of this teacher.

        Parameters
        ----------
        log_proba : ndarray of shape (n_instances, n_classes), float32
            Log-probabilities of the model.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float32
            Log-probabilities of this teacher.
        """
        return log_proba if self.factor == 1 else log_softmax(self.factor * log_proba)

    @property
    def differentiable(self) -> bool:
        """Whether the model consists of torch modules only."""
        return bool(self._adapter.differentiable)

    @property
    def module(self) -> torch.nn.Module | None:
        """The torch module of the model; None for a black box or a list."""
        return getattr(self._adapter, "module", None)

    def predict_proba(self, X: Series) -> Float32Array:
        """Give the probabilities of ``classes_``.

        The teacher must be bound, as ``teacher_`` of a student is.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_timepoints) or \
                (n_instances, n_channels, n_timepoints), or one of sktime's panel formats
            Series of the shape in :meth:`bind`.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float32
            Each row sums to 1.

        Raises
        ------
        PanelError, ValueError
            If the series hold NaN, or have another shape than in :meth:`bind`.
        TeacherError
            If the teacher is not bound, or its model fails.
        """
        if not hasattr(self, "_adapter"):
            raise TeacherError(
                f"{self!r} has not been bound to classes yet; use the teacher_ of a fitted student."
            )
        uneven = isinstance(self._adapter.ndim, UnevenForm)
        series: NDArray[Any] = check_array(
            as_array(X, uneven), dtype="numeric", allow_nd=True,
            ensure_all_finite="allow-nan" if uneven else True,
        )  # fmt: skip
        if uneven and series.dtype.kind == "f":
            check_ends(series, gaps=self._adapter.ndim.gaps)
        panel = as_panel(series)
        if not uneven and self._series_shape not in (None, panel.shape[1:]):
            raise PanelError(
                f"X has series of shape {panel.shape[1:]} (n_channels, n_timepoints), but "
                f"{self!r} answers for {self._series_shape}; pass series of that shape."
            )
        halving = Halving()
        with failures_named(self, panel), self.on_device(None):
            answers = [
                self.batch_log_proba(panel, part, halving) for part in batches_of_series(panel)
            ]
        return proba_of(np.concatenate(answers))

    def predict(self, X: Series) -> LabelArray:
        """Predict the most probable class of each series; the teacher must be bound.

        Parameters
        ----------
        X : array-like of shape (n_instances, n_channels, n_timepoints)
            As :meth:`predict_proba` takes it.

        Returns
        -------
        ndarray of shape (n_instances,)
            One label of ``classes_`` for each series.
        """
        class_index = self.predict_proba(X).argmax(axis=1)
        labels: LabelArray = self.classes_[class_index]
        return labels

    @property
    def members(self) -> list[BoundTeacher]:
        """The bound teachers of a list, of lists in it too; this teacher alone if it is none."""
        inner = self.inner
        return [one for member in inner for one in member.members] if inner else [self]

    @property
    def logits_module(self) -> torch.nn.Module | None:
        """The torch module if its outputs are the logits of ``classes_`` as they are, else None."""
        gives_proba = getattr(self._adapter, "gives_proba", False)
        plain = self._columns is None and self.factor == 1 and not gives_proba
        return self.module if plain else None

    def log_proba(self, panel: Float32Array) -> Float32Array:
        """Give the log-probabilities of ``classes_``.

        Parameters
        ----------
        panel : ndarray of shape (n_instances, n_channels, n_timepoints), float32
            Series.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float32
            Log-probabilities; their exponentials sum to 1 in each row.
        """
        answers = self._adapter.log_proba(panel)
        if self._n_columns not in (None, answers.shape[1]):
            raise TeacherError(
                f"{self!r} answered with {answers.shape[1]} columns, but at first with "
                f"{self._n_columns}; expected one column for each class in every answer."
            )
        if self._columns is not None:
            answers = log_softmax(self._select(answers))  # among the columns chosen
        return self.scaled(answers)

    def batch_log_proba(self, series: Any, batch: slice, halving: Halving) -> Float32Array:
        """Give the log-probabilities for a batch, in parts if memory does not hold all of it.

        Parameters
        ----------
        series : ndarray or object with arrays as slices
            Of shape (n_instances, n_channels, n_timepoints), float32.
        batch : slice
            Its rows. Each part of it is copied, since the model may change its input.
        halving : Halving
            Of the user's call.

        Returns
        -------
        ndarray of shape (n_instances, n_classes), float32
            As :meth:`log_proba` gives them.
        """
        parts = halving.results(lambda part: self.log_proba(np.array(series[part])), batch, self)
        answers = [answers for _, answers in parts]
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    def logits(self, panel: torch.Tensor) -> torch.Tensor:
        """Give log-probabilities as a differentiable function of a tensor on the model's device.

        Parameters
        ----------
        panel : Tensor of shape (n_instances, n_channels, n_timepoints), float32
            Series.

        Returns
        -------
        Tensor of shape (n_instances, n_classes), float32
            Log-probabilities, which are logits as well.
        """
        answers = torch.log_softmax(self._select(self._adapter.logits(panel)), dim=-1)
        return answers if self.factor == 1 else torch.log_softmax(self.factor * answers, dim=-1)

    def _select(self, answers: Any) -> Any:
        return answers if self._columns is None else answers[:, self._columns]

    def on_device(self, device: Device | None) -> AbstractContextManager[Any]:
        """Make a context in which torch modules are in eval mode on a device; both are restored.

        Parameters
        ----------
        device : str, torch.device or None
            None leaves the modules where they are.

        Returns
        -------
        context manager
            To be used in a ``with`` statement.
        """
        context: AbstractContextManager[Any] = self._adapter.on_device(device)
        return context
