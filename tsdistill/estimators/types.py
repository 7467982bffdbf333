"""Types of the estimators' arguments, for their signatures."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeAlias

from torch import nn

from tsdistill.inputs.types import Path
from tsdistill.students.base import Student


class SkorchNet(Protocol):
    """A net of skorch, which ships no types."""

    module: Any
    criterion: Any

    def initialize(self) -> Any:
        """Make the module and what trains it."""


class MemoryFolder(Protocol):
    """A ``joblib.Memory``, of which the folder is used."""

    location: Any


StudentLike: TypeAlias = (
    Literal["lite", "inception", "fcn", "resnet", "gru"]
    | Student
    | nn.Module
    | Callable[[int, int, int], nn.Module]
    | SkorchNet
)
"""A name, a configuration, a network, a factory of networks, or an unfitted skorch net."""

SaliencyMeasure: TypeAlias = Literal["logit_change", "class", "sum", "decoupled", "gradient"]
Donors: TypeAlias = Literal["varied", "opposing", "same", "any", "mean", "zero", "noise"]
Missing: TypeAlias = Literal["refuse", "mask"]
ClassWeight: TypeAlias = Mapping[Any, float] | Literal["balanced"]
Memory: TypeAlias = Path | MemoryFolder
