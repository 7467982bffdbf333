"""Distil a heavy time-series classifier into a small network that keeps its reasons."""

from tsdistill._version import __version__
from tsdistill.classifier import SaliencyDistilledClassifier
from tsdistill.deferring import DeferringClassifier
from tsdistill.teachers import Teacher

__all__ = ["DeferringClassifier", "SaliencyDistilledClassifier", "Teacher", "__version__"]
