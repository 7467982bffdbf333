"""A fitted student as one file of C99, without allocation and without dependencies."""

import pathlib
import re

import numpy as np

from tsdistill._version import __version__
from tsdistill.exceptions import ExportError
from tsdistill.export.c_interface import declared_lengths, interface, lengths_in_c
from tsdistill.export.fitted import FittedStudent
from tsdistill.export.lowering import program_of
from tsdistill.export.saving import gives_proba
from tsdistill.inputs.files import write_whole
from tsdistill.inputs.types import Path

FOLDER = pathlib.Path(__file__).parent
NUMBERS_A_LINE = 12
LONGEST_LABEL = 500


def write_c(path: Path, model: FittedStudent) -> None:
    """Write a fitted student to a C file.

    Parameters
    ----------
    path : str or path
        Its folder exists.
    model : FittedStudent

    Raises
    ------
    ExportError
        If the student has a layer that cannot be written in C.
    """
    write_whole(pathlib.Path(path), c_source(model))


def program_of_model(model):
    """The Program of a FittedStudent.

    Raises
    ------
    ExportError
        If it has a layer that cannot be written, or fills no gaps where series may have some.
    """
    program = program_of(model.net.module_, *model.shape, gives_proba(model.net))
    if model.uneven is not None:
        _check_any_length(program)
    fills = any(step.operation == "fill" for step in program.steps)
    if model.uneven is not None and model.uneven.gaps and not fills:
        raise ExportError(
            f"the student {type(model.net.module_).__name__} does not fill the gaps of series "
            "itself, as one of the students of tsdistill does that is passed by its name or "
            "configuration; pass it so, or fill the gaps before fit."
        )
    return program


def _check_any_length(program):
    """Refuse a layer that needs series of one length."""
    follows = program.follows_series()
    if any(step.operation == "linear" and follows[step.inputs[0]] for step in program.steps):
        raise ExportError(
            "the student has a linear layer over time, which needs series of one length."
        )


def c_source(model):
    """The C file of a FittedStudent, as text."""
    program = program_of_model(model)
    lengths = lengths_in_c(program, model.uneven is not None)
    places, n_numbers = program.memory()
    arrays = []
    calls = [
        _call(program, step, i, places, lengths, arrays) for i, step in enumerate(program.steps)
    ]
    if model.uneven is not None:
        calls = declared_lengths(program, lengths, "\n".join(calls)) + calls
    labels = texts_of(model.classes)
    states = [program.shapes[s.output][0] for s in program.steps if s.operation == "gru"]
    values = interface(model) | {
        "VERSION": __version__ + (f", weights of {model.bits} bits" if model.bits != 32 else ""),
        "LABELS": ", ".join(map(_comment, labels)),
        "N_CHANNELS": model.shape[0],
        "N_CLASSES": len(labels),
        "NAMES": ", ".join(f'"{_string(label)}"' for label in labels),
        "N_NUMBERS": n_numbers,
        "N_BYTES": program.n_weight_bytes,
        "N_RAM": 4 * (n_numbers + program.n_state_numbers),
        "N_MULTIPLICATIONS": program.n_multiplications,
        "STATES": f"#define MOST_STATES {max(states)}\n" if states else "",
        "ARRAYS": "\n".join(arrays),
        "FUNCTIONS": "\n\n".join(_functions(program, "\n".join(calls))),
        "CALLS": "\n".join(f"    {call}" for call in calls),
        "RESULT": _place(places.get(program.result), lengths[program.result]),
        "IS_PROBA": int(program.gives_proba),
    }
    text = (FOLDER / "file.c").read_text(encoding="utf-8")
    return re.sub(r"\$([A-Z_]+)\$", lambda found: str(values[found[1]]), text)


def _functions(program, calls):
    """The operations that some calls need, each for the kinds of weights that it has."""
    needed = {step.operation: set() for step in program.steps}
    for step in program.steps:
        needed[step.operation].add(_kind(step))
    if "join(" not in calls:  # all parts lie where they will be joined
        needed.pop("join", None)
    needed |= {"sigmoid": {"f"}} if "gru" in needed else {}
    text = (FOLDER / "operations.c").read_text(encoding="utf-8")
    for name, function in re.findall(
        r"/\* section: (\w+) \*/\n(.*?)(?=\n/\* section|\Z)", text, flags=re.DOTALL
    ):
        for kind in sorted(needed.get(name, ())):
            weight = "int8_t" if kind == "q" else "float"
            yield function.replace("KIND", kind).replace("WEIGHT", weight).rstrip()


def _kind(step):
    """F for weights of float32, q for whole numbers."""
    return "q" if any(weight.codes is not None for weight in step.weights.values()) else "f"


def _place(place, length):
    """Where a value begins: in the block, after some channels of its own length; or the series."""
    if place is None:
        return "series"
    start, n_before = place
    return f"memory + {start}" + (f" + {n_before} * {length}" if n_before else "")


def _call(program, step, number, places, lengths, arrays):
    """The call of one step; its weights are added to the arrays."""
    if step.operation == "join":
        return _joined(program, step, places, lengths)
    kind, names = _kind(step), {}
    for key, weight in step.weights.items():
        name = f"w{number}_{key}"
        if kind == "q" and weight.values.ndim >= 2:
            if weight.codes is None:
                raise ExportError("a weight of the quantised student is not rounded.")
            _add_array(arrays, name, weight.codes, "int8_t")
            _add_array(arrays, f"{name}_scale", weight.scale, "float")
            names[key] = f"{name}, {name}_scale"
        else:
            _add_array(arrays, name, weight.values, "float")
            names[key] = f"{name}, 0" if weight.values.ndim >= 2 else name
    (n_in, _), (n_out, _) = (program.shapes[v] for v in (step.inputs[0], step.output))
    length, n_places = lengths[step.inputs[0]], lengths[step.output]
    s, relu = step.settings, int(step.relu)
    width = step.weights["weight"].values.shape[-1] if step.operation == "conv" else 0
    sizes = {
        "affine": ("affine", n_out, n_places, *names.values(), relu),
        "fill": ("fill", n_in, length, *names.values()),
        "conv": (
            f"conv_{kind}", n_in, length, n_out, n_places, width, s.get("stride"),
            s.get("dilation"), s.get("padding"), s.get("groups"), *names.values(), relu,
        ),
        "linear": (f"linear_{kind}", f"{n_in} * {length}", n_out, *names.values()),
        "gru": (f"gru_{kind}", n_in, n_out, n_places, s.get("backwards"), *names.values()),
        "max_pool": (
            "max_pool", n_in, length, n_places, s.get("length"), s.get("stride"), s.get("padding")
        ),
        "add": ("add", f"{n_out} * {n_places}", relu),
        "relu": ("relu", f"{n_out} * {n_places}"),
        "mean": ("mean", n_in, length),
        "last": ("last", n_in, length),
    }  # fmt: skip
    function, *arguments = sizes[step.operation]
    values = [_place(places.get(value), lengths[value]) for value in (*step.inputs, step.output)]
    return f"{function}({', '.join([*values, *map(str, arguments)])});"


def _joined(program, step, places, lengths):
    """Copies of the parts of a join that do not lie in it already."""
    (start, n_before), length = places[step.output], lengths[step.output]
    copies = []
    for value in step.inputs:
        n_channels = program.size(value) // program.shapes[step.output][1]
        if places.get(value) != (start, n_before):
            source = _place(places.get(value), lengths[value])
            target = _place((start, n_before), length)
            copies.append(f"join({source}, {target}, {n_channels} * {length});")
        n_before += n_channels
    return "\n    ".join(copies) or "/* parts lie side by side already */"


def _add_array(arrays, name, values, kind):
    flat = values.ravel()
    texts = [str(v) if kind == "int8_t" else _float(v) for v in flat]
    lines = [
        "    " + ", ".join(texts[i : i + NUMBERS_A_LINE])
        for i in range(0, len(texts), NUMBERS_A_LINE)
    ]
    arrays.append(f"static const {kind} {name}[{len(flat)}] = {{\n" + ",\n".join(lines) + "\n};")


def _float(value):
    """A float32 in the shortest form that C reads back exactly."""
    return np.format_float_scientific(value, trim="0") + "f"


def texts_of(classes):
    """Labels as short texts; dates are written as such.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)

    Returns
    -------
    texts : list of str or bytes
    """
    labels = map(str, classes) if classes.dtype.kind in "mM" else classes.tolist()
    return [_cut(label) for label in labels]


def _cut(label):
    text = label if isinstance(label, bytes) else str(label)
    return text[:LONGEST_LABEL]


def _comment(label):
    """A label in a comment, which it cannot end; without ``??``, which begins a trigraph."""
    text = re.sub(r"\?(?=\?)", "? ", re.sub(r"[^\x20-\x7e]", "?", str(label)))
    return text.replace("*/", "* /").replace("/*", "/ *")[:60]


def _string(label):
    """A label in a C string: every byte that is not plain is an octal escape."""
    content = label if isinstance(label, bytes) else str(label).encode("utf-8", "backslashreplace")
    return "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
        for byte in content
    )
