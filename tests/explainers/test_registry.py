import pytest

from tsdistill.exceptions import ParameterError
from tsdistill.explainers.registry import EXPLAINERS, find_explainer


def test_every_explainer_is_found_by_its_name_with_each_of_its_fills():
    assert set(EXPLAINERS) == {"occlusion", "gradient", "integrated_gradients", "autoencoder"}
    for name, explainer in EXPLAINERS.items():
        for fill in (None, *explainer.fills):
            assert find_explainer(name, fill) is explainer


@pytest.mark.parametrize(
    ("method", "fill", "message"),
    [
        ("shap", None, "method='shap'; expected one of 'occlusion', 'gradient'"),
        (["occlusion"], None, "expected one of 'occlusion'"),
        ("gradient", "opposing", "with method='gradient' expected 'mean', 'zero', None"),
        ("autoencoder", "mean", "with method='autoencoder' expected None"),
    ],
)
def test_others_are_refused(method, fill, message):
    with pytest.raises(ParameterError, match=message.replace("[", r"\[")):
        find_explainer(method, fill)
