"""Types of teachers, for the signatures of public functions."""

from typing import Any, Literal, TypeAlias

TeacherLike: TypeAlias = Any
"""A classifier of any library, a torch module, a callable, a Teacher, or a list of these."""

Scale: TypeAlias = float | Literal["calibrated"]
"""Factor of a teacher's logits."""
