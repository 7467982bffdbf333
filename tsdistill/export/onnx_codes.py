"""Rounded weights in an ONNX file: whole numbers of eight bits, and their scales."""

import numpy as np

from tsdistill.export.codes import CodesOf


def with_codes(onnx, exported, rounding, without=()):
    """Replace the weights that were rounded by codes, scales and DequantizeLinear, in place.

    Weights whose codes are not found stay float32.

    Parameters
    ----------
    onnx : module
    exported : onnx.ModelProto
    rounding : Rounding
    without : sequence of str
        Names of constants that are no weights.
    """
    codes_of, graph, nodes = CodesOf(rounding), exported.graph, []
    for tensor in list(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or tensor.name in without:
            continue
        found = codes_of(onnx.numpy_helper.to_array(tensor))
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
