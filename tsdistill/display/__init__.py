"""Pictures of saliency, of fidelity and of deferral, in the manner of scikit-learn's displays."""

from tsdistill.display.deferral import DeferralDisplay
from tsdistill.display.fidelity import FidelityDisplay
from tsdistill.display.saliency import SaliencyDisplay

__all__ = ["DeferralDisplay", "FidelityDisplay", "SaliencyDisplay"]
