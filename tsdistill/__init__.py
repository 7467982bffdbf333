"""Distil a heavy time-series classifier into a small network that keeps its reasons."""

from tsdistill._version import __version__
from tsdistill.estimators.classifier import SaliencyDistilledClassifier
from tsdistill.swap.contract import SwapContract
from tsdistill.swap.deferring import DeferringClassifier
from tsdistill.swap.monitor import SwapMonitor
from tsdistill.swap.size_path import size_path
from tsdistill.teachers.teacher import Teacher

__all__ = [
    "DeferringClassifier",
    "SaliencyDistilledClassifier",
    "SwapContract",
    "SwapMonitor",
    "Teacher",
    "__version__",
    "size_path",
]
