"""What tells one teacher from another."""

import copy
import pickle

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

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


class Holder:
    """A black box around a module."""

    def __init__(self, module):
        self.module = module

    def __call__(self, X):
        with torch.no_grad():
            return self.module(torch.tensor(np.asarray(X))).softmax(1).numpy()


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
