"""A fitted student as an ONNX file: its probabilities and, if asked for, its saliency maps."""

import contextlib
import io
import json
import logging
import pathlib
import re
import warnings

import numpy as np
import torch

from tsdistill._version import __version__
from tsdistill.exceptions import ExportError, MissingExtraError
from tsdistill.export.fitted import FittedStudent
from tsdistill.export.onnx_codes import with_codes
from tsdistill.export.onnx_gru import with_onnx_gru
from tsdistill.export.onnx_networks import CONSTANTS, network_of
from tsdistill.export.values import encoded_labels
from tsdistill.inputs.files import replaced_when_whole
from tsdistill.inputs.lengths import lengths_of
from tsdistill.inputs.types import Fill, Path
from tsdistill.students.rounding import rounding_of

OPSET = 20
N_TRIED = 2
PROBA_TOLERANCE, MAP_TOLERANCE = 1e-4, 1e-3


def write_onnx(path: Path, model: FittedStudent, *, explain: bool, fill: Fill) -> None:
    """Write a fitted student to an ONNX file, and try the file.

    Parameters
    ----------
    path : str or path
        Its folder exists.
    model : FittedStudent
    explain : bool
        Whether the file gives saliency maps too.
    fill : {"opposing", "mean", "zero"}
        The baseline of the maps.

    Raises
    ------
    MissingExtraError
        If onnx, onnxscript or onnxruntime is not installed.
    ExportError
        If torch cannot export the network, or the file answers differently.
    """
    onnx, onnxruntime = _packages()
    network = network_of(model, explain, fill).eval()
    exported = _exported(network, model, explain)
    _without_paths(exported)
    rounding = rounding_of(model.net.module_)
    if rounding is not None:
        with_codes(onnx, exported, rounding, without=CONSTANTS)
    _describe(exported, model, explain, fill)
    content = exported.SerializeToString()
    try:
        onnx.checker.check_model(content)
        _try(onnxruntime, content, network, model, explain)
    except ExportError:
        raise
    except Exception as error:  # both raise errors of their own, such as for float16
        raise ExportError(
            f"onnxruntime cannot run the ONNX file of the student "
            f"{type(model.net.module_).__name__}: {type(error).__name__}: {_first_line(error)}."
        ) from error
    with replaced_when_whole(pathlib.Path(path), "wb") as file:
        file.write(content)


def _packages():
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401  (torch needs it)
    except ImportError as error:
        raise MissingExtraError(
            f"to_onnx needs {error.name or 'onnx'}, which is not installed; install it with "
            "pip install 'tsdistill[onnx]'."
        ) from error
    return onnx, onnxruntime


def _exported(network, model, explain):
    """The ONNX model of a network, from torch."""
    n = torch.export.Dim("n_instances")
    series = torch.zeros(N_TRIED, *model.shape)
    inputs, names, shapes = (series,), ["series"], [{0: n}]
    outputs = ["proba"]
    if model.uneven is not None:
        if not model.uneven.gaps:
            shapes[0][2] = torch.export.Dim("n_timepoints", min=2)
        inputs, names, shapes = (
            (series, _lengths_tried(series)),
            [*names, "length"],
            [*shapes, {0: n}],
        )
    if explain:
        inputs = (*inputs, torch.tensor([-1, 0]))
        names, outputs, shapes = [*names, "target"], [*outputs, "saliency"], [*shapes, {0: n}]
    try:
        with _silent():
            program = torch.onnx.export(
                with_onnx_gru(network), inputs,
                dynamo=True, external_data=False, opset_version=OPSET, verbose=False,
                input_names=names, output_names=outputs, dynamic_shapes=tuple(shapes),
            )  # fmt: skip
    except Exception as error:  # torch raises errors of many kinds, from the user's module too
        raise ExportError(
            f"torch cannot export the student {type(model.net.module_).__name__} to ONNX: "
            f"{type(error).__name__}: {_first_line(error)}. Its forward has "
            "to consist of torch's operations, without Python that depends on values."
        ) from error
    return program.model_proto


def _lengths_tried(series):
    """Different lengths, with which a network is traced."""
    return torch.tensor([max(2, series.shape[-1] // (i + 1)) for i in range(len(series))])


def _first_line(error):
    """The first line of an error's message, without colours of a terminal."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error.__cause__ or error)).strip()
    return text.splitlines()[0][:300].rstrip(".") if text else "without a message"


@contextlib.contextmanager
def _silent():
    """Context without what torch's exporter prints and logs."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _without_paths(exported):
    """Drop the stack traces of the exporter, which name files of this machine."""
    graphs = [exported.graph, *exported.functions]
    del exported.metadata_props[:]
    for graph in graphs:
        graph.doc_string = ""
        for part in [graph, *graph.node, *graph.value_info]:
            del part.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
    for part in [*exported.graph.input, *exported.graph.output, *exported.graph.initializer]:
        part.doc_string = ""
        del part.metadata_props[:]


def _describe(exported, model, explain, fill):
    """Say in the file what its inputs and outputs are."""
    n_channels, n_timepoints = model.shape
    about = {
        "classes": json.dumps(encoded_labels(model.classes)["values"]),
        "n_channels": n_channels,
        "n_timepoints": n_timepoints,
        **({} if model.lengths is None else {"lengths": json.dumps(list(model.lengths))}),
        "tsdistill": __version__,
        **({"window": model.width, "fill": fill} if explain else {}),
        **({"bits": model.bits} if model.bits != 32 else {}),
        **model.fidelity,
    }
    for key, value in about.items():
        exported.metadata_props.add(key=key, value=str(value))
    exported.producer_name, exported.producer_version = "tsdistill", __version__
    exported.doc_string = (
        f"series: float32 (n_instances, {n_channels}, {n_timepoints}); proba: float32 "
        f"(n_instances, {len(model.classes)}), columns as in the metadata 'classes'."
    )
    if model.uneven is not None:
        exported.doc_string += (
            " length: int64 (n_instances,), timesteps of each series; what follows them in series "
            "is not read."
        )
        if model.uneven.gaps:
            exported.doc_string += " NaN is a missing value."
        else:
            exported.doc_string += (
                f" series may have other numbers of timesteps than {n_timepoints}."
            )
    if explain:
        exported.doc_string += (
            f" target: int64 (n_instances,), a column of proba, or -1 for the predicted class; "
            f"saliency: float32 (n_instances, {n_timepoints}), in units of the target's centred "
            "logit."
        )


def _try(onnxruntime, content, network, model, explain):
    """Compare the answers of the file with those of torch."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    series = model.baselines.series[:3]
    given = {"series": series}
    if model.uneven is not None:
        given["length"] = lengths_of(series)
    if explain:
        given["target"] = np.array([-1, 0, 1])[: len(series)]
    found = session.run(None, given)
    with torch.no_grad():
        expected = network(*(torch.tensor(value) for value in given.values()))
    expected = expected if explain else [expected]
    for got, wanted, most in zip(found, expected, (PROBA_TOLERANCE, MAP_TOLERANCE), strict=False):
        wanted = wanted.numpy()
        difference = np.nanmax(np.abs(got - wanted))
        same = np.array_equal(np.isnan(got), np.isnan(wanted))
        if not (same and difference <= most * np.nanmax(np.abs(wanted)) + 1e-6):
            raise ExportError(
                f"the ONNX file of the student {type(model.net.module_).__name__} answers "
                f"differently than torch, by {difference:.2g}; onnxruntime computes one of its "
                "layers in another way."
            )
