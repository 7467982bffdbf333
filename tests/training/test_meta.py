"""Where every tensor of a step, and of an explanation, lies: tried on torch's meta device.

It computes shapes alone and refuses tensors that lie elsewhere, so what would fail on a card for
lying on the processor fails here; and so does whatever reads a value.
"""

import numpy as np
import pytest
import torch

from tests.training.conftest import material_of, tensors_of
from tsdistill import students
from tsdistill.explainers.gradients import score_gradients
from tsdistill.objectives import Label, PerturbedSoftTargets, SoftTargets, TemporalSaliency
from tsdistill.perturbation.copies import donors_or_own, replace_windows
from tsdistill.perturbation.plan import draw_plan
from tsdistill.students.masking import take_uneven
from tsdistill.training.loss import DistillationLoss, StudentInTraining

ALL = [students.Lite(), students.Inception(), students.FCN(), students.ResNet(), students.GRU()]
MEASURES = ("logit_change", "class", "sum", "decoupled")


def with_ends(material):
    """The same series, of which one ends early."""
    panel = material.panel.copy()
    panel[3, :, 15:] = np.nan
    return material_of(panel, material.class_index)


def with_varied_donors(material):
    plan = draw_plan(
        material.panel, material.class_index, width=4, n_windows=4, donors="varied",
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return material_of(material.panel, material.class_index, plan=plan)


CASES = {"plain": lambda material: material, "uneven": with_ends, "varied": with_varied_donors}


@pytest.mark.parametrize("copied", [None, [0, 2]])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("student", ALL, ids=repr)
def test_a_step_stays_on_its_device(material, student, case, copied):
    tensors = tensors_of(CASES[case](material), device="meta")
    network = student.build(1, 20, 3)
    take_uneven(network, tensors.uneven)
    network.to("meta")
    objectives = [Label(), SoftTargets(), PerturbedSoftTargets(temperature=2.0)]
    objectives += [TemporalSaliency(measure=measure) for measure in MEASURES]
    loss = DistillationLoss(objectives, StudentInTraining(network)).to("meta")
    rows, windows = torch.tensor([5, 0, 3, 7], device="meta"), torch.arange(2, device="meta")
    copied = None if copied is None else torch.tensor(copied, device="meta")
    inputs, targets = tensors.step(rows, windows, copied)
    assert inputs.shape == (12 if copied is None else 8, 1, 20)
    value = loss(network.train()(inputs), targets)
    assert value.shape == () and value.device.type == "meta"
    value.backward()
    assert all(weight.grad.device.type == "meta" for weight in network.parameters())


def test_a_tensor_that_lies_elsewhere_is_noticed(material):
    tensors = tensors_of(material, device="meta")
    tensors.changes = tensors_of(material).changes
    network = students.Lite().build(1, 20, 3).to("meta")
    loss = DistillationLoss([TemporalSaliency()], StudentInTraining(network)).to("meta")
    step = tensors.step(torch.arange(4, device="meta"), torch.arange(2, device="meta"))
    with pytest.raises(RuntimeError, match="meta"):
        loss(network(step[0]), step[1])


@pytest.mark.parametrize("student", ALL, ids=repr)
def test_explanations_stay_on_their_device(student):
    network = student.build(2, 40, 3).to("meta").eval()
    series, donors = (torch.zeros(n, 2, 40, device="meta") for n in (4, 3))
    row, donor, start = (torch.zeros(10, dtype=torch.int64, device="meta") for _ in range(3))
    slopes = score_gradients(network, torch.zeros(4, dtype=torch.int64, device="meta"), series)
    assert slopes.shape == series.shape and slopes.device.type == "meta"
    own = donors_or_own(series[row], donors, donor, start, 5)
    assert replace_windows(series[row], own, start, 5, channel=donor).device.type == "meta"
