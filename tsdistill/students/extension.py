"""Finds the student, and the layers of an objective, in a module that was extended.

A module is extended (see :meth:`tsdistill.objectives.Objective.extension`) if it has an attribute
``holds``, the name of the attribute that is the student.
"""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

Kind = TypeVar("Kind", bound=nn.Module)


@runtime_checkable
class GivesMaps(Protocol):
    """An extended module that has learnt to estimate the teacher's map of a series."""

    def learnt_maps(self, series: Tensor) -> Tensor:
        """Map series (n_instances, n_channels, n_timepoints) to (n_instances, n_timepoints)."""


def is_extended(network: nn.Module) -> bool:
    """Whether a module contains a student and further layers."""
    return isinstance(getattr(network, "holds", None), str)


def student_inside(network: nn.Module) -> tuple[nn.Module, str]:
    """Find the student in a network that may be extended.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    student : torch.nn.Module
        The network itself if it is not extended.
    prefix : str
        Prefix of the names of the student's modules in ``network.named_modules()``.
    """
    prefix = ""
    while is_extended(network):
        prefix, network = f"{prefix}{network.holds}.", getattr(network, network.holds)
    return network, prefix


def find_extension(network: nn.Module, kind: type[Kind]) -> Kind | None:
    """The outermost extended module of a kind, or None; the student itself is not searched.

    Parameters
    ----------
    network : torch.nn.Module
    kind : class or runtime protocol
    """
    while is_extended(network):
        if isinstance(network, kind):
            return network
        network = getattr(network, network.holds)
    return None
