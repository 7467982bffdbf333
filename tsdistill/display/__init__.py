"""Displays of saliency, fidelity, deferral and monitoring, in the style of scikit-learn's."""

from tsdistill.display.deferral import DeferralDisplay
from tsdistill.display.fidelity import FidelityDisplay
from tsdistill.display.monitoring import MonitorDisplay
from tsdistill.display.saliency import SaliencyDisplay
from tsdistill.display.size_path import SizePathDisplay

__all__ = [
    "DeferralDisplay",
    "FidelityDisplay",
    "MonitorDisplay",
    "SaliencyDisplay",
    "SizePathDisplay",
]
