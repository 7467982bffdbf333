"""Displays of saliency, fidelity and deferral, in the style of scikit-learn's displays."""

from tsdistill.display.deferral import DeferralDisplay
from tsdistill.display.fidelity import FidelityDisplay
from tsdistill.display.saliency import SaliencyDisplay
from tsdistill.display.size_path import SizePathDisplay

__all__ = ["DeferralDisplay", "FidelityDisplay", "SaliencyDisplay", "SizePathDisplay"]
