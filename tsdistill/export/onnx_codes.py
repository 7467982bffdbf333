"""Rounded weights in an ONNX file: whole numbers of eight bits, and their scales."""

import numpy as np

ROUNDING_ERROR = 1e-6


def with_codes(onnx, exported, rounding):
    """Replace the weights that were rounded by codes, scales and DequantizeLinear, in place.

    torch may have padded, joined or transposed weights meanwhile, and multiplied their outputs by
    the factors of a batch normalisation. So each output is compared with the codes of all outputs;
    weights with an output that is no multiple of some codes stay float32.

    Parameters
    ----------
    onnx : module
    exported : onnx.ModelProto
    rounding : Rounding
    """
    known = {}
    for codes in rounding.codes.values():
        for row in codes.reshape(len(codes), -1).astype(np.float32):
            known.setdefault(np.count_nonzero(row), []).append(row[row != 0])
    known = {count: np.stack(rows) for count, rows in known.items()}
    graph, nodes = exported.graph, []
    for tensor in list(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        found = _codes_of(onnx.numpy_helper.to_array(tensor), known)
        if found is None:
            continue
        axis, codes, scale = found
        name, zero = tensor.name, np.zeros(scale.shape, dtype=np.int8)
        parts = {f"{name}.codes": codes, f"{name}.scale": scale, f"{name}.zero": zero}
        graph.initializer.remove(tensor)
        graph.initializer.extend(
            onnx.numpy_helper.from_array(value, key) for key, value in parts.items()
        )
        nodes.append(onnx.helper.make_node("DequantizeLinear", list(parts), [name], axis=axis))
    for place, node in enumerate(nodes):
        graph.node.insert(place, node)


def _codes_of(weight, known):
    """Axis, codes and scales of a weight; None if an output is no multiple of known codes."""
    if weight.ndim < 2 or not weight.any():
        return None
    for axis in range(weight.ndim):
        rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
        scale = np.array([_scale_of(row, known) for row in rows], dtype=np.float32)
        if np.isfinite(scale).all():
            shape = [-1 if one == axis else 1 for one in range(weight.ndim)]
            return axis, np.rint(weight / scale.reshape(shape)).astype(np.int8), scale
    return None


def _scale_of(row, known):
    """The number of which a row is a multiple, by some known codes; NaN if there is none."""
    values = row[row != 0]
    if not len(values):
        return 1.0
    codes = known.get(len(values))
    if codes is None:
        return np.nan
    scale = codes @ values / (codes**2).sum(axis=1)
    error = np.abs(codes * scale[:, np.newaxis] - values).max(axis=1)
    best = error.argmin()
    return scale[best] if error[best] <= ROUNDING_ERROR * np.abs(values).max() else np.nan
