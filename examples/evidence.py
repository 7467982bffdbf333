"""What to show before a teacher is replaced: a report, maps, and a swap with a promise.

Replaces a random forest on ItalyPowerDemand (which comes with sktime), writes one page to hand
over, draws maps of two kinds of fill, and lets the student answer alone only where it may.

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
    parser.add_argument("--max-epochs", type=int, default=None, help="of the students")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    X, y = load_italy_power_demand(split="train", return_type="numpy3D")
    X_new, y_new = load_italy_power_demand(split="test", return_type="numpy3D")
    held_out, to_come = X_new[:500], X_new[500:]

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

    maps = {fill: student.explain(to_come[:3], fill=fill) for fill in ("opposing", "mean")}
    titles = [f"class {label}" for label in student.predict(to_come[:3])]
    display = SaliencyDisplay(to_come[:3], maps, titles=titles).plot()
    display.figure_.savefig(options.folder / "fills.png", dpi=110)

    # With 95 % confidence, at most 1 % of all series are answered otherwise than by the forest.
    swap = DeferringClassifier(student, max_disagreement=0.01, confidence=0.95).fit(held_out)
    differs = np.mean(swap.predict(to_come) != student.classes_[teacher(to_come).argmax(axis=1)])
    print(
        f"\nThe teacher is asked about {100 * swap.defers(to_come).mean():.1f} % of "
        f"{len(to_come)} series to come; {100 * differs:.1f} % are answered otherwise, "
        f"{100 * (1 - student.fidelity_score(to_come)):.1f} % by the student alone."
    )
    swap.plot().figure_.savefig(options.folder / "deferral.png", dpi=110)
    print(f"Report and pictures: {options.folder}")


if __name__ == "__main__":
    main()
