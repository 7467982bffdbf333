"""Parameters, clones and representation of an estimator that holds a fitted teacher.

scikit-learn's ``clone`` silently unfits a fitted estimator and copies a torch module, and its
``get_params`` lists the parameters of whatever looks like an estimator. Here a fitted teacher is
kept by identity, its parameters are not listed, and it is shown by its name.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

from sklearn import get_config
from sklearn.base import clone
from skorch import NeuralNet
from torch import nn

from tsdistill.exceptions import ParameterError
from tsdistill.inputs.checks import as_list, quoted
from tsdistill.students import STUDENTS
from tsdistill.students.callbacks import clone_net, copied_callbacks
from tsdistill.teachers.adapters import name_of
from tsdistill.teachers.teacher import Teacher, clone_teacher

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator as Estimator
    from typing_extensions import Self
else:
    Estimator = object  # the class of scikit-learn or sktime comes after the mixins

LONGEST_VALUE = 60
AnyEstimator = TypeVar("AnyEstimator")


class ShowsItsConstructor(Estimator):
    """Mixin that represents an estimator by its constructor, in notebooks too.

    scikit-learn's diagram would list the parameters of the fitted models inside.
    """

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        return short_constructor(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


class HoldsTeacher(ShowsItsConstructor):
    """Mixin for an estimator with the parameters ``teacher``, ``student`` and ``auxiliary``.

    It comes before the base class of scikit-learn or sktime.
    """

    teacher: Any
    student: Any
    auxiliary: Any

    def __new__(cls, *args: Any, **parameters: Any) -> Self:
        _check_no_callback_inside(parameters)
        inside = [name for name in parameters if "__" in name]
        if inside:
            holder, _, name = inside[0].partition("__")
            raise ParameterError(
                f"{inside[0]}={short_repr(parameters[inside[0]])} is no argument of "
                f"{cls.__name__}; pass {holder}=... with {name} set, such as "
                f"student=students.Lite(n_filters=4), or call set_params({inside[0]}=...)."
            )
        made: Self = super().__new__(cls)
        return made

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        cls.__signature__ = inspect.Signature(parameters)  # not that of __new__

    def __sklearn_clone__(self) -> Self:
        parameters = {
            name: _CLONED.get(name, _cloned)(value) for name, value in own_parameters(self).items()
        }
        cloned = type(self)(**parameters)
        if hasattr(self, "_metadata_request"):
            cloned._metadata_request = copy.deepcopy(self._metadata_request)
        if hasattr(self, "_skl_callbacks"):  # from scikit-learn 1.9 on
            cloned._skl_callbacks = self._skl_callbacks
        return cloned

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copied_around(self, as_list(self.teacher), memo)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to list the parameters of the student, of an unfitted teacher and of the
            auxiliary objectives too.
        """
        parameters: dict[str, Any] = super().get_params(deep=False)
        for name, value in list(parameters.items()):
            if deep and name == "auxiliary" and isinstance(value, (list, tuple)):
                for one, objective in _by_name(value).items():
                    parameters[f"{name}__{one}"] = objective
                    inner = objective.get_params(deep=True)
                    parameters.update((f"{name}__{one}__{k}", item) for k, item in inner.items())
            fitted = name == "teacher" and Teacher(value).is_fitted
            if deep and hasattr(value, "get_params") and not isinstance(value, type) and not fitted:
                inner = value.get_params(deep=True)
                parameters.update((f"{name}__{key}", item) for key, item in inner.items())
        return parameters

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of the student and of an unfitted teacher.

        Parameters
        ----------
        **params
            Such as ``student__n_filters``: a student that was given by its name then becomes the
            configuration of that name. A parameter of an auxiliary objective is
            ``auxiliary__weight``; in a list of several objectives the name of the objective comes
            before, as in ``auxiliary__temporal_review__weight``.

        Raises
        ------
        ParameterError
            If a parameter of a fitted teacher is to be changed, or an objective does not exist.
        """
        teacher = params.get("teacher", self.teacher)
        inside = [name for name in params if name.startswith("teacher__")]
        if inside and Teacher(teacher).is_fitted:
            raise ParameterError(
                f"{inside[0]} cannot be set: the teacher {name_of(teacher)} is fitted, and a "
                "fitted teacher is used as it is. Pass an unfitted teacher."
            )
        if inside and not hasattr(teacher, "set_params"):
            raise ParameterError(
                f"{inside[0]} cannot be set: teacher={short_repr(teacher)} has no parameters of "
                "its own. Pass the bare unfitted classifier as teacher."
            )
        _check_no_callback_inside(params)
        student = params.get("student", self.student)
        inside = [name for name in params if name.startswith("student__")]
        if inside and isinstance(student, str) and student in STUDENTS:
            params = params | {"student": STUDENTS[student]()}
        elif inside and isinstance(student, str):
            raise ParameterError(
                f"{inside[0]} cannot be set: student={student!r}; expected one of "
                f"{quoted(STUDENTS)}, or a configuration such as students.Lite()."
            )
        before = self.student, self.auxiliary
        try:
            changes, params = self._inside_auxiliary(params)
            super().set_params(**params)
        except (AttributeError, TypeError, ValueError):
            self.student, self.auxiliary = before
            raise
        for objective, parameter, value in changes:
            if parameter:
                objective.set_params(**{parameter: value})
            else:
                self.auxiliary = [value if one is objective else one for one in self.auxiliary]
        return self

    def _inside_auxiliary(
        self, params: dict[str, Any]
    ) -> tuple[list[tuple[Any, str, Any]], dict[str, Any]]:
        """Separate the parameters of auxiliary objectives from the others.

        Returns
        -------
        inside : list of (objective, parameter or "", value)
        params : dict
            The other parameters.
        """
        auxiliary = params.get("auxiliary", self.auxiliary)
        keys = [name for name in params if name.startswith("auxiliary__")]
        if not keys:
            return [], params
        objectives = _by_name(as_list(auxiliary))
        if not objectives:
            raise ParameterError(
                f"{keys[0]} cannot be set: auxiliary={short_repr(auxiliary)}; pass an objective, "
                "or a list of objectives, as auxiliary."
            )
        inside = []
        for key in sorted(keys, key=lambda key: key.count("__")):  # replaced first, then changed
            name, _, parameter = key.removeprefix("auxiliary__").partition("__")
            objective = objectives.get(name)
            if objective is not None and not parameter and isinstance(auxiliary, (list, tuple)):
                inside.append((objective, "", params[key]))
                objectives[name] = params[key]
                continue
            if objective is None and len(objectives) == 1:
                (objective,), parameter = objectives.values(), key.removeprefix("auxiliary__")
            if objective is None:
                raise ParameterError(
                    f"{key} names none of the objectives {sorted(objectives)} of auxiliary; "
                    f"expected a name such as auxiliary__{min(objectives)}__weight."
                )
            if parameter not in objective.get_params():
                raise ParameterError(
                    f"{key} cannot be set: {type(objective).__name__} has the parameters "
                    f"{sorted(objective.get_params())}."
                )
            inside.append((objective, parameter, params[key]))
        return inside, {name: value for name, value in params.items() if name not in keys}


def own_parameters(estimator: object) -> dict[str, Any]:
    """Parameters of the constructor by name, with their values."""
    names = inspect.signature(type(estimator).__init__).parameters
    return {name: getattr(estimator, name) for name in names if name != "self"}


def copied_around(estimator: AnyEstimator, models: list[Any], memo: dict[int, Any]) -> AnyEstimator:
    """A deep copy of an estimator, which shares the fitted ones among some models.

    Parameters
    ----------
    estimator : estimator
    models : list of classifiers
    memo : dict
        The argument of ``__deepcopy__``.
    """
    memo.update((id(model), model) for model in models if Teacher(model).is_fitted)
    copied = memo[id(estimator)] = copy.copy(estimator)
    vars(copied).update(copy.deepcopy(vars(estimator), memo))
    return copied


def short_constructor(estimator: object) -> str:
    """The representation of an estimator: its constructor, with models by their name."""
    changed_only = get_config()["print_changed_only"]
    signature = inspect.signature(type(estimator).__init__).parameters
    shown = [
        f"{name}={short_repr(value)}"
        for name, value in own_parameters(estimator).items()
        if not (changed_only and is_default(value, signature[name].default))
    ]
    return f"{type(estimator).__name__}({', '.join(shown)})"


def short_repr(value: Any) -> str:
    """A value on one line: models are shown by their name, other values are cut if long."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(short_repr, value)) + "]"
    if isinstance(value, Teacher) and value.classes is None:
        return f"Teacher({short_repr(value.model)})"
    if isinstance(value, nn.Module):
        return f"<{type(value).__name__}>"
    if hasattr(value, "fit") and Teacher(value).is_fitted:
        return f"<fitted {name_of(value)}>"
    if callable(value) and not hasattr(value, "fit"):
        return f"<{name_of(value)}>"
    line = " ".join(repr(value).split())
    if len(line) <= LONGEST_VALUE:
        return line
    return f"<{name_of(value)}>" if hasattr(value, "fit") else line[: LONGEST_VALUE - 3] + "..."


def _check_no_callback_inside(parameters: Mapping[str, Any]) -> None:
    inside = [name for name in parameters if name.startswith("callbacks__")]
    if inside:
        raise ParameterError(
            f"{inside[0]} cannot be set: callbacks are set all together. Pass callbacks=[...], or "
            "in a search several such lists as values."
        )


def _cloned(value: Any) -> Any:
    return clone_net(value) if isinstance(value, NeuralNet) else clone(value, safe=False)


_CLONED: dict[str, Callable[[Any], Any]] = {
    "teacher": clone_teacher,
    "callbacks": copied_callbacks,
}
"""Parameters that scikit-learn's ``clone`` would copy, or unfit."""


def _by_name(objectives: Sequence[Any]) -> dict[str, Any]:
    """Objectives of a list that have names and parameters."""
    return {
        one.name: one
        for one in objectives
        if hasattr(one, "name") and hasattr(one, "get_params") and not isinstance(one, type)
    }


def is_default(value: object, default: object) -> bool:
    """Whether the value of a parameter is its default."""
    return type(value) is type(default) and repr(value) == repr(default)
