"""What each step of training holds."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.training.conftest import material_of, tensors_of
from tsdistill.perturbation.copies import PerturbedCopies
from tsdistill.perturbation.plan import draw_plan
from tsdistill.perturbation.uneven import FLAT, STRAIGHT
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


@pytest.mark.parametrize("windows_per_step", [1, 3])
def test_varied_copies_of_a_step_are_those_that_the_teacher_answered(toy, windows_per_step):
    X, y = toy
    panel, rng = X[:, np.newaxis].astype(np.float32), np.random.default_rng(0)
    plan = draw_plan(panel, y, width=4, n_windows=4, donors="varied", rng=rng)
    assert {FLAT, STRAIGHT} <= set(plan.donor.ravel().tolist())
    row = np.repeat(np.arange(12), 4)
    asked = PerturbedCopies(panel, panel, row, plan.donor.ravel(), plan.start.ravel(), plan.width)
    asked = asked[:].reshape(12, 4, 1, 20)
    tensors = tensors_of(material_of(panel, y, plan=plan))
    rows, copied = torch.tensor([5, 0, 7, 2]), torch.tensor([0, 2, 3])
    windows = torch.arange(windows_per_step)
    for some in (None, copied):
        inputs, _ = tensors.step(rows, windows, some)
        of = rows if some is None else rows[some]
        copies = inputs[4:].view(len(of), windows_per_step, 1, 20).numpy()
        np.testing.assert_array_equal(copies, asked[of][:, :windows_per_step])


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


KNOWN_BY_HEART = (0.3,)
"""Of its certainty, the teacher keeps 30 % near the given series."""


def steps_of(material, batch_size, windows_per_step=1):
    return Steps(TrainingRows(tensors_of(material)), batch_size, windows_per_step)


def rows_of(steps, n_epochs=1):
    epochs = (targets for _ in range(n_epochs) for _, targets in steps)
    return [row for targets in epochs for row in targets["rows"].tolist()]


@pytest.mark.parametrize(
    ("windows_per_step", "n_series"), [(0.25, 12), (0.5, 12), (1, 9), (2, 6), (3, 4), (40, 0)]
)
@pytest.mark.parametrize("batch_size", [-1, 1, 2, 5, 12, 64])
def test_an_epoch_with_mixtures_has_as_many_steps_and_half_as_many_inputs_again_as_series(
    material, mixed_material, batch_size, windows_per_step, n_series
):
    steps = steps_of(mixed_material, batch_size, windows_per_step)
    without = len(steps_of(material, batch_size))
    fewest = 1 if batch_size == 1 else 2
    for _ in range(5):
        sizes = [len(targets["labels"]) for _, targets in steps]
        assert len(sizes) == len(steps) == without
        assert sum(sizes) == max(n_series, fewest * without)
        assert min(sizes) >= fewest


@pytest.mark.parametrize("windows_per_step", [0.5, 1, 3])
def test_an_epoch_without_mixtures_or_without_copies_takes_every_series(
    material, mixed_material, windows_per_step
):
    for one in (material, mixed_material.without_windows()):
        assert len(rows_of(steps_of(one, 5, windows_per_step))) == 12


def test_series_and_mixtures_are_all_visited_before_any_comes_again(mixed_material):
    steps = steps_of(mixed_material, 5)
    epochs = [rows_of(steps) for _ in range(10)]
    assert [sum(row >= 12 for row in epoch) for epoch in epochs] == [6] * 10  # 20 of 32 of 9
    visits = np.zeros(32, dtype=int)
    for epoch in epochs:
        np.add.at(visits, epoch, 1)
        for part in (visits[:12], visits[12:]):
            assert np.ptp(part) <= 1
    assert visits.min() >= 2


def test_series_and_mixtures_come_in_random_order(mixed_material):
    epochs = [rows_of(steps_of(mixed_material, 5)) for _ in range(20)]
    first_is_mixture = np.mean([epoch[0] >= 12 for epoch in epochs])
    assert 0 < first_is_mixture < 1


def test_a_few_series_known_by_heart_are_visited_too(mixed_material):
    known = dataclasses.replace(mixed_material, kept=KNOWN_BY_HEART)
    steps = Steps(TrainingRows(tensors_of(known), torch.tensor([4, *range(12, 32)])), 64, 1)
    assert rows_of(steps) == [4]


@pytest.mark.parametrize(("kept", "n_mixed"), [(None, 3), ((0.99,), 3), (KNOWN_BY_HEART, 3)])
def test_epochs_of_part_of_the_series_have_as_many_of_them(mixed_material, kept, n_mixed):
    rows = [0, 3, 4, 7, 9, 11, *range(12, 32)]
    known = tensors_of(dataclasses.replace(mixed_material, kept=kept))
    steps = Steps(TrainingRows(known, torch.tensor(rows)), 4, 1)
    visits = [rows_of(steps) for _ in range(20)]
    assert [len(epoch) for epoch in visits] == [4] * 20
    assert [sum(row >= 12 for row in epoch) for epoch in visits] == [n_mixed] * 20
    assert set(np.ravel(visits)) == set(rows)


def test_held_out_series_are_all_visited_in_order(mixed_material):
    rows = torch.tensor([8, 1, 5])
    steps = Steps(TrainingRows(tensors_of(mixed_material), rows), 64, 1, shuffle=False)
    assert rows_of(steps, n_epochs=2) == [8, 1, 5] * 2


def check_copies(material, inputs, targets, windows):
    """That inputs and targets are of the same series, windows and answers."""
    panel, plan, answers = material.panel, material.plan, material.answers
    rows = targets["rows"].numpy()
    n = len(rows)
    np.testing.assert_array_equal(inputs[:n].numpy(), panel[rows])
    np.testing.assert_array_equal(targets["teacher"].numpy(), answers.clean[rows])
    np.testing.assert_array_equal(targets["labels"].numpy(), material.class_index[rows])
    copied = rows[targets["copied"].numpy()] if "copied" in targets else rows
    copies = inputs[n:].view(len(copied), len(windows), *panel.shape[1:])
    assert targets["teacher_perturbed"].shape == (len(copied), len(windows), 3)
    changes = material.answers.changes()[targets["rows"].numpy()]
    np.testing.assert_array_equal(targets["teacher_change"].numpy(), changes)
    for i, row in enumerate(copied):
        for j, m in enumerate(windows):
            expected = panel[row].copy()
            a = plan.start[row, m]
            expected[:, a : a + 4] = panel[plan.donor[row, m], :, a : a + 4]
            np.testing.assert_array_equal(copies[i, j].numpy(), expected)
            answer = targets["teacher_perturbed"][i, j].numpy()
            np.testing.assert_array_equal(answer, answers.perturbed[row, m])
    return copied


@pytest.mark.parametrize("copied", [[3, 1], [0], [], [0, 1, 2, 3]], ids=str)
def test_some_series_of_a_step_have_copies_and_answers_and_the_others_none(mixed_material, copied):
    rows, windows = torch.tensor([5, 30, 7, 12]), torch.tensor([3, 1])
    inputs, targets = tensors_of(mixed_material).step(rows, windows, torch.tensor(copied).long())
    assert inputs.shape == (4 + 2 * len(copied), 1, 20)
    assert targets["copied"].tolist() == copied
    check_copies(mixed_material, inputs, targets, [3, 1])


@pytest.mark.parametrize(
    ("share", "n_copies"), [(0.5, 6), (0.25, 3), (0.2, 3), (0.01, 1), (0.99, 12), (1.0, 12)]
)
def test_a_share_of_a_batch_has_one_copy_each(material, share, n_copies):
    steps = steps_of(material, 12, share)
    seen = set()
    for turn in range(20):
        ((inputs, targets),) = steps
        copied = check_copies(material, inputs, targets, [turn % 4])
        assert len(copied) == n_copies and len(set(copied)) == n_copies
        seen.update(copied)
    assert seen == set(range(12)) or share < 0.25


@pytest.mark.parametrize("windows_per_step", [0.5, 1, 3])
def test_series_known_by_heart_have_no_copies_but_mixtures_have(mixed_material, windows_per_step):
    known = dataclasses.replace(mixed_material, kept=KNOWN_BY_HEART)
    copied, turn = set(), 0
    steps = steps_of(known, 4, windows_per_step)
    for _ in range(16):
        for inputs, targets in steps:
            windows = [(turn + i) % 4 for i in range(int(max(1, windows_per_step)))]
            turn += len(windows)
            own = check_copies(known, inputs, targets, windows)
            if windows_per_step >= 1:
                assert len(own) == (targets["rows"] >= 12).sum()
            else:
                assert len(own) == min(2, (targets["rows"] >= 12).sum())
            copied.update(own)
    assert copied == set(range(12, 32))


def test_a_batch_without_series_for_copies_is_a_batch_all_the_same(mixed_material):
    known = dataclasses.replace(mixed_material, kept=KNOWN_BY_HEART)
    ((inputs, targets),) = Steps(
        TrainingRows(tensors_of(known), torch.arange(4)), 4, 2, shuffle=False
    )
    assert inputs.shape == (4, 1, 20) and len(targets["copied"]) == 0
    assert targets["teacher_perturbed"].shape == (0, 2, 3)


def test_where_all_series_are_known_by_heart_all_have_copies(material):
    known = dataclasses.replace(material, kept=KNOWN_BY_HEART)
    for inputs, targets in steps_of(known, 4):
        assert "copied" not in targets and len(inputs) == 8


def test_the_mean_change_is_that_of_series_with_copies(mixed_material):
    known = dataclasses.replace(mixed_material, kept=KNOWN_BY_HEART)
    weight = np.linspace(0.5, 1.5, 32, dtype=np.float32)
    answers = mixed_material.answers
    change = answers.clean[:, np.newaxis] - answers.perturbed
    change = np.abs(change - change.mean(axis=2, keepdims=True)).mean(axis=(1, 2))
    for material, rows in ((known, slice(12, 32)), (mixed_material, slice(0, 32))):
        expected = np.average(change[rows], weights=weight[rows])
        tensors = tensors_of(material, weight)
        assert float(tensors.mean_change) == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(tensors.changes, change, rtol=1e-5)


def test_the_mean_change_is_finite_where_series_with_copies_weigh_nothing(mixed_material):
    known = dataclasses.replace(mixed_material, kept=KNOWN_BY_HEART)
    weight = (np.arange(32) < 12).astype(np.float32)
    assert np.isfinite(float(tensors_of(known, weight).mean_change))


@pytest.mark.parametrize("windows_per_step", [0.5, 1, 2])
@pytest.mark.parametrize("kept", [None, KNOWN_BY_HEART])
def test_all_of_a_step_lies_on_the_training_device(mixed_material, windows_per_step, kept):
    tensors = tensors_of(dataclasses.replace(mixed_material, kept=kept), device="meta")
    rows = torch.arange(32)  # on the CPU, since numbers on "meta" cannot be read
    for inputs, targets in Steps(TrainingRows(tensors, rows), 4, windows_per_step):
        assert {value.device.type for value in (inputs, *targets.values())} == {"meta"}
        if "copied" in targets:
            copies = len(targets["copied"]) * max(1, int(windows_per_step))
            assert len(inputs) == len(targets["rows"]) + copies
