"""Students of GunPoint that several tests read and none changes."""

import pytest

from tsdistill import SaliencyDistilledClassifier, Teacher


@pytest.fixture(scope="session")
def named_teacher(gunpoint_net):
    """The GunPoint network with the names of its classes."""
    return Teacher(gunpoint_net, classes=["1", "2"])


def fit_gunpoint(teacher, gunpoint, memory, **settings):
    settings = {"max_epochs": 150, "random_state": 0, "memory": memory} | settings
    return SaliencyDistilledClassifier(teacher, **settings).fit(*gunpoint[:2])


@pytest.fixture(scope="session")
def distilled(named_teacher, gunpoint, gunpoint_answers):
    return fit_gunpoint(named_teacher, gunpoint, gunpoint_answers)


@pytest.fixture(scope="session")
def kd(named_teacher, gunpoint, gunpoint_answers):
    return fit_gunpoint(named_teacher, gunpoint, gunpoint_answers, saliency_weight=0)
