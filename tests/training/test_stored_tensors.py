import dataclasses

import numpy as np
import pytest
import torch

from tests.conftest import transfer_set_of
from tests.stored import Limited, stream
from tsdistill.inputs.stored import opened
from tsdistill.perturbation.plan import WindowPlan
from tsdistill.teachers.querying import TeacherAnswers
from tsdistill.training import stored_tensors
from tsdistill.training.steps import Steps, TrainingRows, TransferTensors
from tsdistill.training.stored_tensors import StoredTensors, spread_over_pools, tensors_of

N, POOL, BLOCK = 96, 24, 4


@pytest.fixture
def sets(monkeypatch):
    """The same transfer set in memory and not; each series holds its own number."""
    rng = np.random.default_rng(0)
    X = np.repeat(np.arange(N, dtype=np.float32)[:, None, None], 6, axis=2)
    stream(monkeypatch, X, pool_rows=POOL, block_rows=BLOCK)
    answers = TeacherAnswers(
        rng.normal(size=(N, 2)).astype(np.float32), rng.normal(size=(N, 3, 2)).astype(np.float32)
    )
    start, donor = rng.integers(4, size=(N, 3)), rng.integers(10, size=(N, 3))
    plan = WindowPlan(start, donor, 2, 1000 + X[:10])
    short = WindowPlan(start.astype(np.int32), donor.astype(np.int32), 2, plan.donors)
    array = Limited(X, most_rows=BLOCK)
    class_index = np.arange(N) % 2
    return (
        transfer_set_of(X, class_index, answers, plan),
        transfer_set_of(opened(array), class_index, answers, short),
        array,
    )


WEIGHT = np.linspace(0.5, 1.5, N, dtype=np.float32)


def epoch(tensors, batch_size=8, rows=None, seed=0, **settings):
    """Inputs and targets of all steps of an epoch."""
    torch.manual_seed(seed)
    return list(Steps(TrainingRows(tensors, rows), batch_size, 1, **settings))


def order_of(steps):
    return torch.cat([targets["rows"] for _, targets in steps]).tolist()


def test_steps_have_the_contents_that_series_in_memory_have(sets):
    whole, stored = (tensors_of(one, WEIGHT, "cpu") for one in sets[:2])
    assert type(whole) is TransferTensors and type(stored) is StoredTensors
    at = 0
    for inputs, targets in epoch(stored):
        windows = torch.tensor([at % 3])
        expected = whole.step(targets["rows"], windows)
        torch.testing.assert_close(inputs, expected[0], rtol=0, atol=0)
        for name, value in expected[1].items():
            torch.testing.assert_close(targets[name], value, rtol=0, atol=0)
        at += 1
    assert at == N // 8


def test_an_epoch_visits_every_series_once_and_the_next_in_another_order(sets):
    stored = tensors_of(sets[1], WEIGHT, "cpu")
    torch.manual_seed(0)
    steps = Steps(TrainingRows(stored), 8, 1)
    first, second = order_of(steps), order_of(steps)
    assert sorted(first) == sorted(second) == list(range(N)) and first != second


def test_pools_hold_blocks_of_consecutive_rows_in_random_order(sets):
    order = np.array(order_of(epoch(tensors_of(sets[1], WEIGHT, "cpu"))))
    blocks = [sorted(set((pool // BLOCK).tolist())) for pool in order.reshape(-1, POOL)]
    assert all(len(pool) == POOL // BLOCK for pool in blocks)
    assert sorted(np.concatenate(blocks).tolist()) == list(range(N // BLOCK))
    assert any(np.diff(pool).max() > 1 for pool in blocks)
    first = order[:POOL] // BLOCK
    assert (np.diff(first) != 0).mean() > 0.5  # shuffled within the pool


def test_every_pool_has_blocks_from_all_over_the_file(sets):
    order = np.array(order_of(epoch(tensors_of(sets[1], WEIGHT, "cpu"))))
    sixths = np.array([np.bincount(pool // 16, minlength=6) for pool in order.reshape(-1, POOL)])
    assert (sixths == 4).all()  # a sixth of the file has a block for each of the four pools
    torch.manual_seed(0)
    blocks = spread_over_pools(torch.arange(10), n_pools=4)  # three blocks, or two
    assert sorted(blocks.tolist()) == list(range(10))
    orders = {tuple(spread_over_pools(torch.arange(10), 4).tolist()) for _ in range(9)}
    assert len(orders) == 9


@pytest.mark.parametrize("n_steps", [7, 12, 13, 96])
def test_pools_end_where_steps_do(sets, n_steps):
    stored = tensors_of(sets[1], WEIGHT, "cpu")
    pools = stored.pools(n_steps, -(-N // n_steps))
    order = stored.shuffled(torch.arange(N), n_steps)
    parts = order.tensor_split(n_steps)
    assert sorted(order.tolist()) == list(range(N))
    for pool in pools:
        rows = torch.cat(parts[pool]).numpy()
        assert len(rows) <= POOL
        assert len(np.unique(rows // BLOCK)) <= len(rows) / BLOCK + 2  # two may be cut
    assert [pool.start for pool in pools] == [0, *(pool.stop for pool in pools[:-1])]
    assert pools[-1].stop == n_steps


def test_an_epoch_reads_every_series_once(sets):
    stored, array = tensors_of(sets[1], WEIGHT, "cpu"), sets[2]
    array.n_read = 0
    epoch(stored)
    assert array.n_read == N


@pytest.mark.parametrize("batch_size", [N, -1, 30])
def test_one_pool_has_the_order_of_series_in_memory(sets, monkeypatch, batch_size):
    stream(monkeypatch, sets[0].panel, pool_rows=N)
    orders = [order_of(epoch(tensors_of(one, WEIGHT, "cpu"), batch_size)) for one in sets[:2]]
    assert orders[0] == orders[1]


def test_some_rows_are_shuffled_in_blocks_of_their_own(sets):
    rows = torch.arange(N)[torch.arange(N) % 3 > 0]
    order = order_of(epoch(tensors_of(sets[1], WEIGHT, "cpu"), rows=rows))
    assert sorted(order) == rows.tolist()
    in_turn = epoch(tensors_of(sets[1], WEIGHT, "cpu"), rows=rows, shuffle=False)
    assert order_of(in_turn) == rows.tolist()


def test_rows_are_read_where_no_epoch_is_under_way(sets):
    stored = tensors_of(sets[1], WEIGHT, "cpu")
    rows = torch.tensor([[70, 2], [2, 95]])
    assert stored.panel[rows][..., 0, 0].tolist() == [[70.0, 2.0], [2.0, 95.0]]
    steps = iter(Steps(TrainingRows(stored), 8, 1))
    next(steps)
    steps.close()
    assert stored.panel.series is None and len(stored.panel) == N
    assert stored.panel[torch.tensor([95])].shape == (1, 1, 6)


def test_mixtures_come_between_series_that_stay_in_their_pools(sets):
    stored = tensors_of(sets[1], WEIGHT, "cpu")
    stored.n_given = 80
    order = np.array(order_of(epoch(stored, inputs_a_series=10.0)))
    n_mixtures = (order >= 80).sum()
    assert 0 < n_mixtures < 16 and len(set(order)) == len(order)
    series = order[order < 80] // BLOCK
    assert len(set(series[:20])) < 10  # of 20 blocks
    places = np.flatnonzero(order >= 80)
    assert places.max() - places.min() > 40


def test_changes_are_those_of_series_in_memory(sets):
    whole, stored = (tensors_of(one, WEIGHT, "cpu") for one in sets[:2])
    torch.testing.assert_close(stored.changes, whole.changes, rtol=0, atol=0)
    torch.testing.assert_close(stored.mean_change, whole.mean_change, rtol=0, atol=0)


def test_long_series_are_asked_about_a_few_at_a_time(monkeypatch):
    for n_timepoints, expected in ((500, 256), (50_000, 20)):
        X = np.broadcast_to(np.float32(0), (300, 1, n_timepoints))
        stream(monkeypatch, X)
        answers = TeacherAnswers(np.zeros((300, 2), np.float32))
        stored = transfer_set_of(opened(Limited(X, 300)), np.arange(300) % 2, answers)
        tensors = tensors_of(stored, np.ones(300, np.float32), "cpu")
        assert tensors.rows_at_once == expected
        assert tensors.pool_rows * 4 * n_timepoints <= 32 * 2**20


@pytest.mark.parametrize("own_donors", [False, True])
def test_series_too_many_for_a_card_come_a_pool_at_a_time(sets, monkeypatch, own_donors):
    in_memory = sets[0]
    if own_donors:
        donors = np.random.default_rng(1).integers(N, size=(N, 3))
        plan = dataclasses.replace(in_memory.plan, donor=donors, donors=in_memory.panel)
        in_memory = dataclasses.replace(in_memory, plan=plan)
    whole = tensors_of(in_memory, WEIGHT, "cpu")
    monkeypatch.setattr(stored_tensors, "free_bytes", lambda _: 2 * in_memory.panel.nbytes)
    assert type(tensors_of(in_memory, WEIGHT, "cpu")) is TransferTensors
    monkeypatch.setattr(stored_tensors, "free_bytes", lambda _: 2 * in_memory.panel.nbytes - 2)
    pooled = tensors_of(in_memory, WEIGHT, "cpu")
    assert type(pooled) is StoredTensors
    for at, (inputs, targets) in enumerate(epoch(pooled)):
        expected, _ = whole.step(targets["rows"], torch.tensor([at % 3]))
        torch.testing.assert_close(inputs, expected, rtol=0, atol=0)
    with_gap = in_memory.panel.copy()
    with_gap[0, 0, -1] = np.nan  # such series cannot
    gapped = dataclasses.replace(sets[0], panel=with_gap)
    assert type(tensors_of(gapped, WEIGHT, "cpu")) is TransferTensors


def test_steps_are_made_on_the_training_device(sets):
    stored = tensors_of(sets[1], WEIGHT, "meta")  # refuses tensors that lie elsewhere
    steps = epoch(stored, rows=torch.arange(N))
    assert len(steps) == N // 8
    for inputs, targets in steps:
        assert inputs.shape == (16, 1, 6) and inputs.device.type == "meta"
        assert {value.device.type for value in targets.values()} == {"meta"}
