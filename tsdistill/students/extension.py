"""Finds the student, and the layers of an objective, in a module that was extended.

Such a module (see :meth:`tsdistill.objectives.Objective.extension`) has an attribute ``holds``,
the name of the attribute that is the student.
"""

from typing import Protocol, runtime_checkable


@runtime_checkable
class ExtendedStudent(Protocol):
    """A module that contains a student and further layers."""

    holds: str


@runtime_checkable
class GivesMaps(Protocol):
    """A module that has learnt to estimate the teacher's map of a series."""

    def learnt_maps(self, series):
        """Map series (n_instances, n_channels, n_timepoints) to (n_instances, n_timepoints)."""


def student_inside(network):
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
    while isinstance(network, ExtendedStudent):
        prefix, network = f"{prefix}{network.holds}.", getattr(network, network.holds)
    return network, prefix


def part_with_maps(network):
    """The first module of a network that is a :class:`GivesMaps`, or None."""
    return next((part for part in network.modules() if isinstance(part, GivesMaps)), None)
