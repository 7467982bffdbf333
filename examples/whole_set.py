"""What the maps of a whole set have in common, class by class and channel by channel.

Replaces a forest on GunPoint, and one on BasicMotions (both sets come with sktime), and draws the
mean maps of each class of the former and the channels that matter in the latter.

    python examples/whole_set.py --folder whole_set
"""

import argparse
import pathlib

import matplotlib
import torch
from sklearn.ensemble import ExtraTreesClassifier
from sktime.datasets import load_basic_motions, load_gunpoint

from tsdistill import SaliencyDistilledClassifier
from tsdistill.display import ChannelImportanceDisplay, SaliencyDisplay

matplotlib.use("Agg")

SENSORS = [f"{sensor} {axis}" for sensor in ("accelerometer", "gyroscope") for axis in "xyz"]


def distilled_forest(X, y, max_epochs):
    """A student of a forest that sees the values of all channels in one row."""
    forest = ExtraTreesClassifier(300, min_samples_leaf=2, random_state=0)
    forest.fit(X.reshape(len(X), -1), y)
    student = SaliencyDistilledClassifier(
        lambda series: forest.predict_proba(series.reshape(len(series), -1)),
        max_epochs=max_epochs, random_state=0,
    )  # fmt: skip
    return student.fit(X, y)


def main():
    """Distil, explain the test splits, draw."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", default=pathlib.Path("whole_set"), type=pathlib.Path)
    parser.add_argument("--max-epochs", type=int, default=None, help="epochs of the students")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    torch.set_num_threads(1)

    X, y = load_gunpoint(split="train", return_type="numpy3D")
    X_new, _ = load_gunpoint(split="test", return_type="numpy3D")
    student = distilled_forest(X, y, options.max_epochs)
    display = SaliencyDisplay.from_estimator(
        student, X_new, of=("teacher", "student"), kind="class"
    )
    display.figure_.savefig(options.folder / "class_means.png", dpi=110)
    print(display.summary_.channels_to_frame().round(2).to_string(index=False))

    X, y = load_basic_motions(split="train", return_type="numpy3D")
    X_new, _ = load_basic_motions(split="test", return_type="numpy3D")
    student = distilled_forest(X, y, options.max_epochs)
    display = ChannelImportanceDisplay.from_estimator(student, X_new, channel_names=SENSORS)
    display.figure_.savefig(options.folder / "channels.png", dpi=130)
    shares = display.summary.channels_to_frame(by_class=False)
    print(shares.round(2).to_string(index=False))
    print(f"Pictures: {options.folder}")


if __name__ == "__main__":
    main()
