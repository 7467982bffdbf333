"""What tells one teacher from another."""

import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from skorch import NeuralNetClassifier

from tests.conftest import Holder
from tsdistill import Teacher
from tsdistill.students import Lite
from tsdistill.teachers.fingerprint import MIXED_PROBES, TeacherSource, digest_of, probes


def test_probes_are_series_and_mixtures_of_two(toy):
    panel = toy[0][:, np.newaxis].astype(np.float32)
    asked = probes(panel)
    assert len(asked) == 12 + MIXED_PROBES
    np.testing.assert_array_equal(asked[:12], panel)
    for mixed in asked[12:, 0]:
        assert all(mixed[t] in panel[:, 0, t] for t in range(20))
    assert len(probes(np.concatenate([panel] * 10))) == 32 + MIXED_PROBES


def test_digest_follows_the_content_and_leaves_torch_modules_alone(toy):
    X, y = toy
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    linear = LogisticRegression().fit(X, y)
    for model in (forest, linear, [forest, linear]):
        assert digest_of(model) == digest_of(pickle.loads(pickle.dumps(model)))
    assert digest_of(forest) != digest_of(RandomForestClassifier(5, random_state=1).fit(X, y))
    module = Lite().build(1, 20, 3)
    before = digest_of(module)
    assert digest_of(copy.deepcopy(module)) == before
    with torch.no_grad():
        next(module.parameters()).add_(1e-3)
    assert digest_of(module) != before
    assert digest_of(lambda X: X) == digest_of(lambda X: X) != digest_of(lambda X: 2 * X)
    assert digest_of({"network": module}) == digest_of({"network": copy.deepcopy(module)})
    assert digest_of({"network": module}) != digest_of({"network": Lite().build(1, 20, 3)})


class Scaled(torch.nn.Linear):
    """A module with a plain attribute."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.scale = 1.0

    def forward(self, x):
        return self.scale * super().forward(x.flatten(1))


def test_digest_follows_what_a_module_holds_besides_weights():
    module = Scaled(20, 3)
    before, inside = digest_of(module), digest_of(Holder(module))
    assert None not in (before, inside)
    module.scale = -1.0
    assert digest_of(module) != before and digest_of(Holder(module)) != inside
    module.scale = 1.0
    assert digest_of(Holder(copy.deepcopy(module))) == inside
    with torch.no_grad():
        module.bias.add_(1)
    assert digest_of(Holder(module)) != inside


def test_a_source_is_another_one_where_the_columns_have_other_labels():
    first, second = Teacher(Holder, ["a", "b"]), Teacher(Holder, ["b", "a"])
    again = TeacherSource.of(Teacher(Holder, ["a", "b"]), None)
    assert again.is_still(TeacherSource.of(first, None))
    assert not again.is_still(TeacherSource.of(second, None))
    inside = [TeacherSource.of(Teacher([one, one]), None) for one in (first, second)]
    assert not inside[0].is_still(inside[1])


class LeadsBack:
    """A trainer or an average of weights, which keeps the module that it is an attribute of."""

    def __init__(self, module):
        self.module = module


def test_a_module_whose_attributes_lead_back_to_it_has_a_digest_at_once():
    module = Scaled(20, 3)
    module.trainer, module.ema = LeadsBack(module), LeadsBack(module)
    before = digest_of(module)
    assert before is not None and digest_of(copy.deepcopy(module)) == before
    module.scale = 2.0
    assert digest_of(module) not in (before, None)


def test_a_digest_is_the_same_however_deep_in_calls_it_is_taken():
    module = Scaled(20, 3)
    module.trainer, module.ema = LeadsBack(module), LeadsBack(module)

    def deep(n_calls):
        return deep(n_calls - 1) if n_calls else digest_of(module)

    assert deep(0) == deep(100) == deep(300) is not None


FACTOR = 1.0


def hooked(sign):
    module = Scaled(20, 3)
    module.register_forward_hook(lambda module, inputs, answers: sign * answers)
    return module


def with_lambda(sign):
    module = Scaled(20, 3)
    module.read = lambda x: sign * x
    return module


def with_bound_method(sign):
    module, inner = Scaled(20, 3), Scaled(20, 3)
    inner.scale = sign
    module.inner = [inner.forward]
    return module


def local(sign):
    def teacher(X):
        return sign * X

    return teacher


def of_default(sign):
    return lambda X, sign=sign: sign * X


def bound(sign):
    module = Scaled(20, 3)
    module.scale = sign
    return module.forward


@pytest.mark.parametrize("make", [hooked, with_lambda, with_bound_method, local, of_default, bound])
def test_digest_follows_what_a_model_refers_to(make):
    digests = []
    for sign in (1.0, 1.0, -1.0):
        torch.manual_seed(0)
        digests.append(digest_of(make(sign)))
    assert digests[0] == digests[1] != digests[2]
    assert None not in digests


def test_digest_follows_the_globals_that_a_function_uses(monkeypatch):
    def teacher(X):
        return FACTOR * X

    before = digest_of(teacher)
    assert before is not None and digest_of(teacher) == before
    monkeypatch.setitem(globals(), "FACTOR", -1.0)
    assert digest_of(teacher) not in (before, None)


def test_digest_is_as_before_when_a_hook_is_removed():
    module = Scaled(20, 3)
    before = digest_of(module)
    hook = module.register_forward_hook(lambda module, inputs, answers: -answers)
    assert digest_of(module) not in (before, None)
    hook.remove()
    assert digest_of(module) == before


def test_digest_of_a_skorch_net_is_that_of_its_weights_and_criterion(toy):
    def net(criterion=torch.nn.CrossEntropyLoss, **settings):
        torch.manual_seed(0)
        module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(20, 3))
        return NeuralNetClassifier(module, criterion=criterion, verbose=0, **settings).initialize()

    first = net()
    before = digest_of(first)
    assert before is not None
    assert digest_of(net(lr=0.5)) == digest_of(copy.deepcopy(first)) == before
    assert digest_of(net(torch.nn.NLLLoss)) not in (before, None)
    with torch.no_grad():
        first.module_[1].bias.add_(1)
    assert digest_of(first) not in (before, None)
