"""How long does a fitted student take for one series, beside its bare module?

    OMP_NUM_THREADS=1 python benchmarks/one_series.py

Both are timed in turns; figures are medians over rounds. The rest is what checks of the series,
conversions and the search for the device cost. Random series of GunPoint's shape.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier

from tsdistill import SaliencyDistilledClassifier

CALLS = 200


def milliseconds(call):
    """Median duration of a call."""
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1e3 * float(np.median(seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((50, 150)).astype(np.float32), np.arange(50) % 2
    teacher = RandomForestClassifier(10, max_depth=3, random_state=0)
    student = SaliencyDistilledClassifier(
        teacher, max_epochs=1, n_windows=2, n_mixtures=0, random_state=0
    )
    module, one = student.fit(X, y).student_.module_, X[:1]
    tensor = torch.from_numpy(one[:, np.newaxis])

    def bare():
        with torch.no_grad():
            module(tensor)

    doubles, listed = one.astype(np.float64), one.tolist()
    calls = {
        "bare module": bare,
        "predict, float32": lambda: student.predict(one),
        "predict, float64": lambda: student.predict(doubles),
        "predict, list": lambda: student.predict(listed),
    }
    rounds = [[milliseconds(call) for call in calls.values()] for _ in range(arguments.rounds)]
    medians = dict(zip(calls, np.median(rounds, axis=0), strict=True))
    for name, median in medians.items():
        rest = median - medians["bare module"]
        print(f"{name:<18}{median:7.3f} ms, {rest:.3f} more than the bare module")


if __name__ == "__main__":
    main()
