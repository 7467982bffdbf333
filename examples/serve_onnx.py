"""Answer one series at a time from an ONNX file, with NumPy and onnxruntime alone.

    python examples/serve_onnx.py student.onnx < series.csv

Every line of the input is a series: its numbers as measured, separated by commas, one channel
after another. Every line of the output is the class, its probability and, if the file was written
by ``to_onnx(..., explain=True)``, the timestep that speaks most for it.
"""

import json
import sys

import numpy as np
import onnxruntime


def main(path, lines=sys.stdin, out=sys.stdout):
    """Answer each line as soon as it is read."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more threads only wait for each other
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    classes = json.loads(about["classes"])
    shape = int(about["n_channels"]), int(about["n_timepoints"])
    explains = "target" in [one.name for one in session.get_inputs()]
    for number, line in enumerate(lines, start=1):
        try:
            series = np.array(line.split(","), dtype=np.float32).reshape(1, *shape)
        except ValueError as error:
            print(f"line {number}: {error}; expected {shape[0] * shape[1]} numbers", file=out)
            continue
        if not np.isfinite(series).all():
            print(f"line {number}: some numbers are NaN or infinite", file=out)
            continue
        given = {"series": series} | ({"target": np.array([-1])} if explains else {})
        proba, *maps = session.run(None, given)
        best = int(proba[0].argmax())
        reason = f", most of all timestep {maps[0][0].argmax()}" if maps else ""
        print(f"{classes[best]} {proba[0, best]:.3f}{reason}", file=out, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
