"""What users import, pass and rely on by default is listed, so that no change of it goes unnoticed.

``python -m tests.test_public_names`` writes the list again. What leaves it, or changes there, is
deprecated first, see CONTRIBUTING.md.
"""

import inspect
import pathlib

from tests.test_docstrings import all_public_objects

LIST = pathlib.Path(__file__).with_name("public_names.txt")


def shown(path, value):
    """A callable with its parameters and defaults, without annotations."""
    try:
        signature = inspect.signature(value)
    except ValueError:  # an exception without an own constructor
        return f"{path}(...)"
    plain = [
        one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()
    ]
    return path + str(
        signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)
    )


def public_names():
    """A line for each public function, class, method and property of this package."""
    lines = set()
    for path, value in all_public_objects():
        lines.add(shown(path, value))
        if not inspect.isclass(value):
            continue
        for name, member in inspect.getmembers_static(value):
            member = getattr(member, "__func__", member)  # of a class method
            if name.startswith("_") or not (_module_of(member) or "").startswith("tsdistill"):
                continue
            own = isinstance(member, property)
            lines.add(f"{path}.{name}" if own else shown(f"{path}.{name}", member))
    return sorted(lines)


def _module_of(member):
    return getattr(getattr(member, "fget", member), "__module__", None)


def test_names_parameters_and_defaults_are_those_of_the_list():
    listed, now = LIST.read_text(encoding="utf-8").splitlines(), public_names()
    gone, new = sorted(set(listed) - set(now)), sorted(set(now) - set(listed))
    assert (gone, new) == ([], []), (
        "the public names have changed; if they should, run python -m tests.test_public_names"
    )


if __name__ == "__main__":
    LIST.write_text("\n".join(public_names()) + "\n", encoding="utf-8")
