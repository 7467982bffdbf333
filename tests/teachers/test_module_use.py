"""Torch modules that are queried: their mode, their place and their precision."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from torch import nn

from tsdistill.teachers.adapters import adapter_for


def modules_with_a_common_part():
    common = nn.Linear(20, 3)
    return common, nn.Sequential(common, nn.Dropout()), nn.Sequential(common, nn.Identity())


def used(module, device=None):
    return adapter_for(module, 2).on_device(device)


@pytest.mark.parametrize("first", [0, 1])
def test_a_common_part_is_in_eval_mode_until_the_last_thread_is_done(first):
    common, *modules = modules_with_a_common_part()
    with ThreadPoolExecutor(1) as other_thread:
        ours, theirs = ExitStack(), ExitStack()
        ours.enter_context(used(modules[0]))
        other_thread.submit(theirs.enter_context, used(modules[1])).result(10)
        leave = [ours.close, lambda: other_thread.submit(theirs.close).result(10)]
        leave[first]()
        assert not common.training and not modules[1 - first].training
        leave[1 - first]()
    assert all(part.training for module in modules for part in module.modules())


def test_one_thread_may_use_a_module_again_while_it_uses_it():
    module = nn.Sequential(nn.Linear(20, 3), nn.Dropout())
    with used(module):
        with used(module):
            assert not module.training
        assert not any(part.training for part in module.modules())
    assert all(part.training for part in module.modules())


def test_parts_that_were_in_eval_mode_stay_in_it():
    common, first, second = modules_with_a_common_part()
    common.eval()
    with used(first), used(second):
        pass
    assert not common.training and first.training and second.training


def test_the_place_is_where_the_module_is_though_it_was_in_use_elsewhere(monkeypatch):
    module, moves = nn.Linear(20, 3), []
    monkeypatch.setattr(module, "to", lambda device: moves.append(str(device)))
    with used(module) as outside, used(module, "meta") as inside:
        assert (str(outside.device), str(inside.device)) == ("cpu", "meta")
        assert moves == ["meta"]
    assert moves == ["meta", "cpu"]


def test_automatic_mixed_precision_around_the_estimator_changes_no_answer(toy, quick):
    X, _ = toy
    teacher = nn.Linear(20, 3)
    with torch.no_grad():
        for k, row in enumerate(teacher.weight):
            row[2 + 6 * k : 6 + 6 * k] = 1.0
    student = quick(teacher).fit(X)

    def answers():
        return [
            student.predict_proba(X),
            student.explain(X[:3]),
            student.explain(X[:3], of="teacher", method="gradient"),
            student.fidelity_score(X, metric="saliency"),
        ]

    expected = answers()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = answers()
        assert torch.is_autocast_enabled("cpu")
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
