"""What each step of training holds."""

import numpy as np
import torch

from tests.training.conftest import tensors_of
from tsdistill.training.steps import Steps, TrainingRows


def test_a_step_holds_series_their_copies_and_the_answers_to_both(material):
    panel, plan = material.panel, material.plan
    rows, windows = torch.tensor([5, 0, 7]), torch.tensor([3, 1])
    inputs, targets = tensors_of(material).step(rows, windows)
    assert inputs.shape == (9, 1, 20)
    np.testing.assert_array_equal(inputs[:3].numpy(), panel[[5, 0, 7]])
    copies = inputs[3:].view(3, 2, 1, 20)
    for i, row in enumerate([5, 0, 7]):
        assert targets["labels"][i] == material.class_index[row]
        np.testing.assert_array_equal(targets["teacher"][i], material.answers.clean[row])
        for j, m in enumerate([3, 1]):
            expected = panel[row].copy()
            a = plan.start[row, m]
            expected[:, a : a + 4] = panel[plan.donor[row, m], :, a : a + 4]
            np.testing.assert_array_equal(copies[i, j].numpy(), expected)
            answer = targets["teacher_perturbed"][i, j]
            np.testing.assert_array_equal(answer.numpy(), material.answers.perturbed[row, m])


def test_donors_are_not_stored_twice_on_the_device(material):
    tensors = tensors_of(material)
    assert tensors.donors is tensors.panel


def test_an_epoch_visits_every_series_once_in_even_batches(material):
    steps = Steps(TrainingRows(tensors_of(material)), batch_size=5, windows_per_step=1)
    seen = [len(targets["labels"]) for _, targets in steps]
    assert seen == [4, 4, 4]
    torch.manual_seed(0)
    teacher = torch.cat([targets["teacher"] for _, targets in steps])
    assert sorted(teacher[:, 0].tolist()) == sorted(material.answers.clean[:, 0].tolist())


def test_windows_go_round(material):
    steps = Steps(TrainingRows(tensors_of(material)), batch_size=12, windows_per_step=3)
    windows = [steps._windows().tolist() for _ in range(4)]
    assert windows == [[0, 1, 2], [3, 0, 1], [2, 3, 0], [1, 2, 3]]
    still = Steps(
        TrainingRows(tensors_of(material)), batch_size=12, windows_per_step=3, shuffle=False
    )
    assert [still._windows().tolist() for _ in range(2)] == [[0, 1, 2], [0, 1, 2]]


def test_no_step_is_left_with_one_series(material):
    tensors = tensors_of(material)
    for n in range(2, 12):
        part = TrainingRows(tensors, torch.arange(n))
        sizes = [len(targets["labels"]) for _, targets in Steps(part, 2, 1)]
        assert min(sizes) >= 2 and sum(sizes) == n
