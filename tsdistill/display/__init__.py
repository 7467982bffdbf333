"""Pictures of saliency, channels, fidelity, deferral and monitoring: displays as scikit-learn's."""

from tsdistill.display.channel_importance import ChannelImportanceDisplay
from tsdistill.display.deferral import DeferralDisplay
from tsdistill.display.fidelity import FidelityDisplay
from tsdistill.display.monitoring import MonitorDisplay
from tsdistill.display.saliency import SaliencyDisplay
from tsdistill.display.size_path import SizePathDisplay

__all__ = [
    "ChannelImportanceDisplay",
    "DeferralDisplay",
    "FidelityDisplay",
    "MonitorDisplay",
    "SaliencyDisplay",
    "SizePathDisplay",
]
