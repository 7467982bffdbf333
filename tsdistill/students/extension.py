"""Students that carry layers of an objective: how the student and those layers are found.

A module that was extended (see :meth:`tsdistill.objectives.Objective.extension`) names in its
attribute ``holds`` the attribute under which it keeps the student.
"""

from typing import Protocol, runtime_checkable


@runtime_checkable
class ExtendedStudent(Protocol):
    """A module that holds a student, with further layers beside it."""

    holds: str


@runtime_checkable
class GivesMaps(Protocol):
    """A module that has learnt to give the teacher's map of a series."""

    def learnt_maps(self, series):
        """From series (n_instances, n_channels, n_timepoints) to (n_instances, n_timepoints)."""


def student_inside(network):
    """The student that a network holds, and the name of that part.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    student : torch.nn.Module
        The network itself where it is not extended.
    prefix : str
        What the names of the student's modules start with in ``network.named_modules()``.
    """
    prefix = ""
    while isinstance(network, ExtendedStudent):
        prefix, network = f"{prefix}{network.holds}.", getattr(network, network.holds)
    return network, prefix


def part_with_maps(network):
    """The part of a network that gives maps, a :class:`GivesMaps`, or None."""
    return next((part for part in network.modules() if isinstance(part, GivesMaps)), None)
