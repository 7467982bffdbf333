"""A student does not depend on how its series lie in memory, nor on how the teacher is asked."""

import contextlib
import tempfile

import joblib
import numpy as np
import sklearn
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.cases import FEWER
from tests.fuzz.series import containers, panels, ragged, ragged_containers
from tests.fuzz.students import tiny
from tests.fuzz.teachers import Scores, SeedsGlobals, WritesToInput, good_teachers
from tests.fuzz.unchanged import nothing_changes

ROUNDING = 1e-4
"""By which probabilities may differ with the number of threads, after a training step or two."""


def weights_of(student):
    """The weights of a fitted student, by name."""
    return {name: w.numpy() for name, w in student.student_.module_.state_dict().items()}


def require_same(one, other):
    mine, theirs = weights_of(one), weights_of(other)
    assert mine.keys() == theirs.keys()
    for name, weight in mine.items():
        np.testing.assert_array_equal(weight, theirs[name], err_msg=name)


@FEWER
@given(st.data())
def test_students_do_not_depend_on_the_container(data):
    panel = data.draw(panels((5, 8), (1, 2)))
    container = data.draw(containers(panel.shape[1]))
    plain = np.ascontiguousarray(panel if container.ndim == 3 else panel[:, 0])
    y = np.arange(len(panel)) % 2
    require_same(tiny().fit(container(panel), y), tiny().fit(plain, y))


@FEWER
@given(st.data())
def test_students_of_ragged_series_do_not_depend_on_the_container(data):
    gaps = data.draw(st.booleans())
    panel = data.draw(ragged((5, 8), gaps=gaps))
    container = data.draw(ragged_containers(panel.shape[1]))
    padded = panel if container.ndim == 3 else panel[:, 0]
    y, missing = np.arange(len(panel)) % 2, "mask" if gaps else "refuse"
    one = tiny(missing=missing).fit(container(panel), y)
    require_same(one, tiny(missing=missing).fit(padded, y))


@FEWER
@given(st.data())
def test_students_do_not_depend_on_memory_or_workers(data):
    panel = data.draw(panels((5, 8), (1, 2)))
    y = np.arange(len(panel)) % 2
    teacher = data.draw(st.sampled_from([Scores(), SeedsGlobals(), WritesToInput()]))
    plain = tiny(Scores()).fit(panel, y)
    with tempfile.TemporaryDirectory() as folder, joblib.parallel_config("threading"):
        for n_jobs in (1, 2):
            settings = {"memory": folder, "n_jobs": n_jobs}
            with nothing_changes(panel):
                require_same(plain, tiny(teacher, **settings).fit(panel, y))


@contextlib.contextmanager
def _dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def _deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


MODES = {
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "float64": lambda: _dtype(torch.float64),
    "bfloat16": lambda: _dtype(torch.bfloat16),
    "meta": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float errors": lambda: np.errstate(all="raise"),
    "assume finite": lambda: sklearn.config_context(assume_finite=True),
    "pandas output": lambda: sklearn.config_context(transform_output="pandas"),
    "routing": lambda: sklearn.config_context(enable_metadata_routing=True),
    "deterministic": _deterministic,
}


@FEWER
@given(st.data())
def test_students_do_not_depend_on_modes_of_the_process(data):
    panel = data.draw(panels((5, 8), (1, 2), kinds=["noise", "constant in a channel"]))
    y = np.arange(len(panel)) % 2
    modes = st.lists(st.sampled_from(sorted(MODES)), min_size=1, max_size=3, unique=True)
    plain = tiny().fit(panel, y)
    expected = plain.predict_proba(panel), plain.explain(panel), plain.fidelity_score(panel)
    with contextlib.ExitStack() as stack:
        for mode in data.draw(modes, label="modes"):
            stack.enter_context(MODES[mode]())
        with nothing_changes(panel):
            student = tiny().fit(panel, y)
            found = (
                student.predict_proba(panel),
                student.explain(panel),
                student.fidelity_score(panel),
            )
    require_same(plain, student)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@FEWER
@given(st.data())
def test_students_do_not_depend_on_the_number_of_threads(data):
    panel = data.draw(panels((5, 8), (1, 2)))
    y = np.arange(len(panel)) % 2
    expected = tiny().fit(panel, y).predict_proba(panel)
    torch.set_num_threads(data.draw(st.integers(2, 3)))
    try:
        with nothing_changes(panel):
            found = tiny().fit(panel, y).predict_proba(panel)
    finally:
        torch.set_num_threads(1)
    np.testing.assert_allclose(found, expected, atol=ROUNDING, rtol=0)


@FEWER
@given(st.data())
def test_a_second_fit_forgets_the_first(data):
    first = data.draw(panels((5, 8), (1, 2)))
    second = data.draw(panels((5, 8), (1, 2)))
    forms = [data.draw(containers(one.shape[1])) for one in (first, second)]
    labels = [np.arange(len(one)) % 2 for one in (first, second)]
    student = tiny().fit(forms[0](first), labels[0])
    student.fit(forms[1](second), labels[1])
    fresh = tiny().fit(forms[1](second), labels[1])
    require_same(student, fresh)
    assert vars(student).keys() == vars(fresh).keys()


@FEWER
@given(st.data())
def test_the_same_seed_gives_the_same_student(data):
    panel = data.draw(panels((5, 8), (1, 2)))
    y = np.arange(len(panel)) % 2
    teacher = data.draw(good_teachers(panel, 2))
    settings = {"random_state": data.draw(st.integers(0, 2**32)), "n_mixtures": 3}
    require_same(tiny(teacher, **settings).fit(panel, y), tiny(teacher, **settings).fit(panel, y))
