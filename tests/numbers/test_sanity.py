"""Sanity checks of maps: they depend on the weights and on what the teacher learnt.

After Adebayo et al.: Sanity checks for saliency maps. NeurIPS 2018, arXiv 1810.03292. The control
of every check is another student of the same teacher, from another seed.
"""

import copy

import numpy as np
import pytest
import torch

from tests.conftest import train_network
from tsdistill import SaliencyDistilledClassifier, Teacher
from tsdistill.explainers.registry import EXPLAINERS
from tsdistill.fidelity import saliency_correlation
from tsdistill.objectives import ExplanationAutoencoder

N_RANDOM = 6
WELL_ABOVE, NEAR_ZERO = 0.75, 0.35

each_method = pytest.mark.parametrize("method", EXPLAINERS)


def student_of(teacher, X, y, seed=0):
    return SaliencyDistilledClassifier(
        Teacher(teacher, classes=["1", "2"]), max_epochs=60, n_windows=16, random_state=seed,
        auxiliary=ExplanationAutoencoder(n_questions=4000),
    ).fit(X, y)  # fmt: skip


@pytest.fixture(scope="module")
def students(italy):
    """Students of one teacher from two seeds, of a teacher of shuffled labels, of a random one."""
    X, y, _, _ = italy
    shuffled = np.random.default_rng(0).permutation(y)
    teacher = train_network(X, y, n_filters=4, epochs=30)
    return {
        "plain": student_of(teacher, X, y),
        "other seed": student_of(teacher, X, y, seed=1),
        "shuffled": student_of(train_network(X, shuffled, n_filters=4, epochs=30), X, shuffled),
        "random": student_of(train_network(X, y, n_filters=4, epochs=0), X, y),
    }


def maps_of(student, X, method, target):
    # An autoencoder explains its teacher's own prediction alone.
    return student.explain(X, method=method, target=None if method == "autoencoder" else target)


@pytest.fixture(scope="module")
def explained(students, italy):
    """Test series, the plain student's predictions, and a function to its maps."""
    X_test, kept = italy[2][:40], {}
    target = students["plain"].predict(X_test)

    def maps(name, method):
        if (name, method) not in kept:
            kept[name, method] = maps_of(students[name], X_test, method, target)
        return kept[name, method]

    return X_test, target, maps


def randomised(student, seed):
    """The same student with weights as before training."""
    student = copy.deepcopy(student)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in student.student_.module_.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return student


@each_method
def test_maps_of_randomised_weights_are_unrelated(students, explained, method):
    X_test, target, maps = explained
    plain = maps("plain", method)
    assert saliency_correlation(plain, maps("other seed", method)) > WELL_ABOVE
    random = [randomised(students["plain"], seed) for seed in range(N_RANDOM)]
    found = [saliency_correlation(plain, maps_of(one, X_test, method, target)) for one in random]
    assert abs(np.mean(found)) < NEAR_ZERO and np.max(found) < WELL_ABOVE


@each_method
@pytest.mark.parametrize("other", ["shuffled", "random"])
def test_maps_depend_on_what_the_teacher_learnt(explained, method, other):
    _, _, maps = explained
    plain = maps("plain", method)
    assert saliency_correlation(plain, maps("other seed", method)) > WELL_ABOVE
    assert saliency_correlation(plain, maps(other, method)) < NEAR_ZERO


@each_method
def test_maps_are_no_detectors_of_edges(explained, method):
    X_test, _, maps = explained
    plain, edges = maps("plain", method), np.abs(np.gradient(X_test[:, 0], axis=-1))
    assert saliency_correlation(np.abs(plain), np.abs(maps("other seed", method))) > 0.6
    for one in (plain, np.abs(plain)):
        assert abs(saliency_correlation(one, edges)) < NEAR_ZERO
