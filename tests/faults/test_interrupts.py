"""A keyboard interrupt at every query of a fit, and at every step of its training."""

import numpy as np
import pytest

from tests.conftest import bump_teacher
from tests.faults.injected import FailsAt, Points, failing, nothing_left_behind, raising
from tsdistill import SaliencyDistilledClassifier
from tsdistill.exceptions import InterruptedWarning
from tsdistill.numerics import batches
from tsdistill.training.loss import DistillationLoss

SMALL = {"n_windows": 2, "n_mixtures": 4, "max_epochs": 3, "batch_size": 4, "random_state": 0}
STEPS_AN_EPOCH = 3


@pytest.fixture
def fitted(toy):
    return SaliencyDistilledClassifier(bump_teacher, **SMALL).fit(*toy)


@pytest.mark.usefixtures("few_a_batch")
def test_an_interrupt_at_any_query_ends_the_fit_and_nothing_kept_is_lost(
    toy, fitted, tmp_path, injected
):
    points = Points(raising(KeyboardInterrupt))
    before = dict(vars(fitted))

    def n_queries(memory):
        points.n, points.at = 0, 0
        student = SaliencyDistilledClassifier(FailsAt(bump_teacher, points), memory=memory, **SMALL)
        student.fit(*toy)
        return points.n, student.predict_proba(toy[0])

    n_in_all, expected = n_queries(tmp_path / "clean")
    n_recognised, _ = n_queries(tmp_path / "clean")
    for k in range(1, n_in_all + 1):
        memory = tmp_path / str(k)
        points.n, points.at = 0, k
        fitted.set_params(teacher=FailsAt(bump_teacher, points), memory=memory)
        with nothing_left_behind(), pytest.raises(KeyboardInterrupt):
            fitted.fit(*toy)
        fitted.set_params(teacher=bump_teacher, memory=None)
        assert vars(fitted) == before, "the last fit still holds"
        assert not list(memory.rglob("*.part")) and not list(memory.rglob("*.lock"))
        n_again, answers = n_queries(memory)
        assert n_again == n_in_all - max(0, k - 1 - n_recognised)
        np.testing.assert_array_equal(answers, expected)
        injected("interrupt at a query")


def test_an_interrupt_at_any_step_keeps_the_epochs_before_or_the_last_fit(toy, fitted, injected):
    with failing(DistillationLoss, "forward", Points()) as clean:
        SaliencyDistilledClassifier(bump_teacher, **SMALL).fit(*toy)
    assert clean.n == 3 * STEPS_AN_EPOCH
    before = dict(vars(fitted))
    for k in range(1, clean.n + 1):
        n_epochs = (k - 1) // STEPS_AN_EPOCH
        student = fitted if n_epochs == 0 else SaliencyDistilledClassifier(bump_teacher, **SMALL)
        points = Points(raising(KeyboardInterrupt), at=k)
        with nothing_left_behind(), failing(DistillationLoss, "forward", points):
            if n_epochs == 0:
                with pytest.raises(KeyboardInterrupt, match="before there was anything to keep"):
                    student.fit(*toy)
                assert vars(fitted) == before, "the last fit still holds"
            else:
                with pytest.warns(InterruptedWarning, match=f"after {n_epochs} of 3 epochs"):
                    student.fit(*toy)
                assert len(student.history_) == n_epochs
                assert np.isfinite(student.predict_proba(toy[0])).all()
                assert not student.student_.module_.training
        injected("interrupt at a step")


@pytest.mark.parametrize(
    ("name", "rows"), [("explain", 100), ("fidelity_score", 5), ("predict_proba", 5)]
)
def test_an_interrupt_at_any_answer_of_the_student_leaves_it_usable(
    name, rows, toy, fitted, injected, monkeypatch
):
    monkeypatch.setattr(batches, "ROWS_A_BATCH", rows)
    module = fitted.student_.module_
    expected = np.asarray(getattr(fitted, name)(toy[0]))
    clean = Points()
    hook = module.register_forward_pre_hook(lambda *_: clean.pass_or_fail())
    getattr(fitted, name)(toy[0])
    hook.remove()
    assert clean.n > 2
    for k in range(1, clean.n + 1):
        points = Points(raising(KeyboardInterrupt), at=k)
        hook = module.register_forward_pre_hook(lambda *_, points=points: points.pass_or_fail())
        with nothing_left_behind(module), pytest.raises(KeyboardInterrupt):
            getattr(fitted, name)(toy[0])
        hook.remove()
        injected("interrupt at an answer of the student")
    np.testing.assert_array_equal(np.asarray(getattr(fitted, name)(toy[0])), expected)
