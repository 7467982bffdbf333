"""What objectives can use before training."""

import numpy as np
import pytest

from tests.conftest import bump_teacher
from tsdistill import Teacher
from tsdistill.objectives.preparation import Preparation
from tsdistill.teachers.querying import QueryOptions


@pytest.fixture
def preparation(toy):
    panel = toy[0][:, None].astype(np.float32)
    teacher = Teacher(bump_teacher, classes=[0, 1, 2]).bind(panel, np.arange(3))
    return Preparation(
        teacher, panel, network=None, device="cpu", n_epochs=3, width=2, seed=7,
        options=QueryOptions(verbose=1), worked_out={"kept": 1}, used={},
    )  # fmt: skip


def test_what_is_worked_out_once_is_not_worked_out_again(preparation):
    seen = []

    def work_out():
        seen.append(len(seen))
        return seen[-1]

    assert [preparation.once(key, work_out) for key in ("new", "kept", "new", "other")] == [
        0, 1, 0, 1,
    ]  # fmt: skip
    assert preparation.used == {"new": 0, "kept": 1, "other": 1}


def test_it_is_shown_without_what_objectives_keep(preparation):
    preparation.once("some key", lambda: 0)
    assert "kept" not in repr(preparation) and "some key" not in repr(preparation)


def test_each_objective_draws_numbers_of_its_own(preparation):
    one, same, other = (preparation.rng(name).random() for name in ("a", "a", "b"))
    assert one == same != other


def test_questions_of_objectives_have_a_bar_with_a_title(preparation, capfd):
    answers = preparation.ask(preparation.panel)
    np.testing.assert_allclose(np.exp(answers), bump_teacher(preparation.panel), rtol=1e-5)
    assert "teacher:" in capfd.readouterr().err
    preparation.ask(preparation.panel, title="teacher: other")
    assert "teacher: other:" in capfd.readouterr().err
