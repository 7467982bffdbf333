"""The explainers of ``explain(method=...)``; a new one has its own file and is listed here."""

from tsdistill.exceptions import ParameterError
from tsdistill.explainers.base import Explainer
from tsdistill.explainers.gradients import GRADIENT, INTEGRATED_GRADIENTS
from tsdistill.explainers.learnt import AUTOENCODER
from tsdistill.explainers.occlusion import OCCLUSION
from tsdistill.inputs.checks import check_choice, quoted, shown

EXPLAINERS = {
    explainer.name: explainer
    for explainer in (OCCLUSION, GRADIENT, INTEGRATED_GRADIENTS, AUTOENCODER)
}


def find_explainer(method: str, fill: str | None = None) -> Explainer:
    """Find an explainer by name, and check that it supports the kind of baseline.

    Parameters
    ----------
    method : str
        Name of the explainer.
    fill : str, default=None
        Kind of baseline.

    Returns
    -------
    explainer : Explainer

    Raises
    ------
    ParameterError
        If there is no such explainer, or it does not support the kind of baseline.
    """
    check_choice("method", method, EXPLAINERS)
    explainer = EXPLAINERS[method]
    if fill is not None and not (isinstance(fill, str) and fill in explainer.fills):
        raise ParameterError(
            f"fill={shown(fill)}; with method={method!r} expected "
            f"{quoted([*explainer.fills, None])}."
        )
    return explainer
