"""The explainers that ``explain(method=...)`` knows; a new one has a file and is named here."""

from tsdistill.exceptions import ParameterError
from tsdistill.explainers.gradients import GRADIENT, INTEGRATED_GRADIENTS
from tsdistill.explainers.learnt import AUTOENCODER
from tsdistill.explainers.occlusion import OCCLUSION
from tsdistill.inputs.checks import check_choice, quoted

EXPLAINERS = {
    explainer.name: explainer
    for explainer in (OCCLUSION, GRADIENT, INTEGRATED_GRADIENTS, AUTOENCODER)
}


def find_explainer(method, fill=None):
    """The explainer of a name, if it knows the kind of baseline.

    Parameters
    ----------
    method : str
    fill : str, default=None

    Returns
    -------
    explainer : Explainer

    Raises
    ------
    ParameterError
        If there is no such method, or it has no such fill.
    """
    check_choice("method", method, EXPLAINERS)
    explainer = EXPLAINERS[method]
    if fill is not None and fill not in explainer.fills:
        raise ParameterError(
            f"fill={fill!r}; with method={method!r} expected {quoted([*explainer.fills, None])}."
        )
    return explainer
