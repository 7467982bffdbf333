"""What to show before a teacher is replaced: a report, maps, and a deferring student.

Replaces a random forest on ItalyPowerDemand (which comes with sktime), writes an HTML report, draws
maps with two baselines, and lets the student answer alone where a bound on the risk allows it.

    python examples/evidence.py --folder evidence
"""

import argparse
import pathlib

import matplotlib
import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sktime.datasets import load_italy_power_demand

from tsdistill import DeferringClassifier, SaliencyDistilledClassifier
from tsdistill.display import SaliencyDisplay

matplotlib.use("Agg")


def main():
    """Distil, report, explain, defer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", default=pathlib.Path("evidence"), type=pathlib.Path)
    parser.add_argument("--max-epochs", type=int, default=None, help="epochs of the students")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    X, y = load_italy_power_demand(split="train", return_type="numpy3D")
    X_new, y_new = load_italy_power_demand(split="test", return_type="numpy3D")
    held_out, future = X_new[:500], X_new[500:]

    forest = RandomForestClassifier(200, min_samples_leaf=2, random_state=0).fit(X[:, 0], y)

    def teacher(series):
        return forest.predict_proba(series[:, 0])

    common = {"max_epochs": options.max_epochs, "random_state": 0}
    student = SaliencyDistilledClassifier(teacher, **common).fit(X, y)
    label_only = SaliencyDistilledClassifier(
        teacher, label_weight=1.0, soft_target_weight=0, saliency_weight=0, **common
    ).fit(X, y)

    report = student.fidelity_report(held_out, y_new[:500], label_only=label_only)
    print(report)
    report.to_html(options.folder / "report.html")

    maps = {fill: student.explain(future[:3], fill=fill) for fill in ("opposing", "mean")}
    titles = [f"class {label}" for label in student.predict(future[:3])]
    display = SaliencyDisplay(future[:3], maps, titles=titles).plot()
    display.figure_.savefig(options.folder / "fills.png", dpi=110)

    # With 95 % confidence, the answer differs from the forest's for at most 1 % of all series.
    swap = DeferringClassifier(student, max_disagreement=0.01, confidence=0.95).fit(held_out)
    differs = np.mean(swap.predict(future) != student.classes_[teacher(future).argmax(axis=1)])
    print(
        f"\nThe teacher is asked about {100 * swap.defers(future).mean():.1f} % of "
        f"{len(future)} series to come. {100 * differs:.1f} % of the answers differ from the "
        f"teacher's; without deferral, {100 * (1 - student.fidelity_score(future)):.1f} % would."
    )
    swap.plot().figure_.savefig(options.folder / "deferral.png", dpi=110)
    print(f"Report and pictures: {options.folder}")


if __name__ == "__main__":
    main()
