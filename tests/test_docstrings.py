"""Every public name has a docstring in which numpydoc finds no fault."""

import importlib
import inspect

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import Validator, validate

MODULES = (
    "tsdistill",
    "tsdistill.datasets",
    "tsdistill.display",
    "tsdistill.exceptions",
    "tsdistill.fidelity",
    "tsdistill.objectives",
    "tsdistill.sktime",
    "tsdistill.students",
)
RESULTS = (
    ("tsdistill.reporting.report", "FidelityReport"),
    ("tsdistill.swap.result", "ContractResult"),
    ("tsdistill.swap.verdict", "Line"),
    ("tsdistill.swap.size_path", "SizePath"),
    ("tsdistill.training.sharing", "ShareSteps"),
)
"""Classes that methods return, or that users import from a room of their own."""
ALLOWED = {"ES01"}  # one line may say all, without an extended summary
ALLOWED_IN_METHODS = {
    "EX01",  # the example of the class calls its methods
    "SA01",  # the neighbours of a method are those of its class
}
LEFT_OUT = {
    *("get_params", "set_params"),  # they mean what scikit-learn's mean, and are documented there
    *("set_fit_request", "set_predict_proba_request", "set_score_request"),  # scikit-learn's own
}


def public_objects(module):
    """Paths and values of a module's classes and functions; constants have no docstring."""
    found = importlib.import_module(module)
    own = [name for name, value in vars(found).items() if _module_of(value) == module]
    for name in getattr(found, "__all__", own):
        value = getattr(found, name)
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isroutine(value)):
            yield f"{module}.{name}", value


def all_public_objects():
    """Those of all public modules, and the results."""
    for module in MODULES:
        yield from public_objects(module)
    for module, name in RESULTS:
        yield f"{module}.{name}", getattr(importlib.import_module(module), name)


def _module_of(value):
    return getattr(value, "__module__", "") or ""


def docstring_of(cls, member):
    """The docstring of a member as ``help`` shows it, and the class that has it.

    A method without a docstring of its own does what that of the method it overrides says.
    """
    for base in cls.__mro__:
        text = getattr(vars(base).get(member), "__doc__", None)
        if text:
            return text, base
    return "", cls


def own_members(cls):
    """Names of the public methods and properties that tsdistill defines.

    Left out are those that override one of scikit-learn, sktime or torch without a docstring: they
    mean what its docstring says, which is not ours to mend.
    """
    for name in dir(cls):
        owner = next(base for base in cls.__mro__ if name in vars(base))
        documented = isinstance(vars(owner)[name], property) or callable(getattr(cls, name, None))
        _, writer = docstring_of(cls, name)
        ours = all(_module_of(one).startswith("tsdistill") for one in (owner, writer))
        if documented and ours and not name.startswith("_") and name not in LEFT_OUT:
            yield name


CASES = {
    f"{path}.{member}" if member else path: (path, member)
    for path, value in all_public_objects()
    for member in (None, *(own_members(value) if inspect.isclass(value) else ()))
}


class AsShown(Validator):
    """Validates the docstring that ``help`` shows, own or inherited."""

    source_file_name = source_file_def_line = None  # no comment there silences a fault

    def __init__(self, obj_name, member):
        value = self._load_obj(obj_name)
        text = value.__doc__ or ""
        if member is not None:
            text, _ = docstring_of(value, member)
            value = getattr(value, member)
        super().__init__(get_doc_object(value, doc=inspect.cleandoc(text)))
        self.raw_doc, self.clean_doc = text, inspect.cleandoc(text)


def faults(path, member=None):
    allowed = ALLOWED | (ALLOWED_IN_METHODS if member else set())
    errors = validate(path, AsShown, member=member)["errors"]
    return [f"{code}: {message}" for code, message in errors if code not in allowed]


@pytest.mark.parametrize("name", CASES)
def test_docstring_has_no_faults(name):
    assert faults(*CASES[name]) == []
