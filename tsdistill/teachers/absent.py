"""What stands for the teacher of a student that was loaded without it."""

import contextlib
from typing import Any

from tsdistill.exceptions import TeacherError
from tsdistill.teachers.teacher import Teacher


class AbsentTeacher(Teacher):
    """A bound teacher that cannot be asked; whoever asks gets a TeacherError that says why.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        Those that the teacher knew.
    factors : dict
        The scales of its logits, as a file has them, so that another file keeps them.
    is_the_students : bool, default=True
        Whether it is the teacher of the student, not one of the swap alone.
    """

    def __init__(self, classes, factors, is_the_students=True):
        super().__init__(None, classes)
        self.factors, self.is_the_students = factors, is_the_students
        self._adapter, self._columns, self.classes_ = _Absent(), None, classes

    def __repr__(self):
        return "the absent teacher"

    def __deepcopy__(self, memo):
        return self

    def __sklearn_clone__(self) -> Any:
        return self


class _Absent:
    """Adapter of a model that is not there."""

    ndim, left_out, differentiable = 3, (), True  # so that its own error is the one that is seen

    def log_proba(self, panel):
        raise TeacherError(
            "this needs the teacher, which is not in the file that was loaded: pass "
            "load(path, teacher=...)."
        )

    logits = log_proba

    def on_device(self, device):
        return contextlib.nullcontext()
