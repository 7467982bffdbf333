import copy
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn

from tsdistill.exceptions import ParameterError, StudentError
from tsdistill.students import FCN, GRU, STUDENTS, Inception, Lite, ResNet, Standardise
from tsdistill.students.building import as_net, learn_standardisation

CONFIGURATIONS = [Lite(), Inception(), FCN(), ResNet(), GRU(), GRU(bidirectional=True, n_layers=2)]


@pytest.mark.parametrize("student", CONFIGURATIONS, ids=repr)
@pytest.mark.parametrize("shape", [(1, 150, 2), (3, 7, 4), (2, 1, 3)])
def test_every_student_gives_one_logit_a_class(student, shape):
    n_channels, n_timepoints, n_classes = shape
    network = student.build(n_channels, n_timepoints, n_classes)
    assert network(torch.randn(5, n_channels, n_timepoints)).shape == (5, n_classes)


@pytest.mark.parametrize("student", CONFIGURATIONS[:5], ids=repr)
def test_weights_are_as_documented(student):
    two, three = (
        sum(parameter.numel() for parameter in student.build(1, 150, k).parameters())
        for k in (2, 3)
    )
    assert f"{two:,} weights at two classes, and {three - two} more" in type(student).__doc__


def test_inception_of_published_width_is_the_benchmarks_teacher():
    network = Inception(n_filters=32).build(1, 150, 2)
    assert sum(parameter.numel() for parameter in network.parameters()) == 157_186
    assert "157,186" in Inception.__doc__


@pytest.mark.parametrize("student", CONFIGURATIONS, ids=repr)
def test_configurations_clone_and_set_parameters(student):
    copied = clone(student)
    assert copied is not student
    assert copied.get_params() == student.get_params()


def test_standardisation_is_learnt_once_and_travels_with_the_weights():
    rng = np.random.default_rng(0)
    panel = torch.tensor(5 + 3 * rng.normal(size=(50, 2, 30)), dtype=torch.float32)
    panel[:, 1] = 7.0
    network = Lite().build(2, 30, 2)
    learn_standardisation(network, panel)
    scaled = network.standardise(panel)
    assert scaled[:, 0].mean().abs() < 1e-4
    assert scaled[:, 0].std() == pytest.approx(1, abs=1e-3)
    assert (scaled[:, 1] == 0).all()
    other = Lite().build(2, 30, 2)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.standardise(panel), scaled)


def test_a_channel_of_tiny_values_is_standardised_and_a_constant_one_stays():
    rng = np.random.default_rng(0)
    panel = torch.tensor(rng.normal(size=(50, 3, 30)), dtype=torch.float32)
    panel[:, 0] *= 5e-38
    panel[:, 1] = 0.1
    panel[:, 2] = 0.0
    layer = Standardise(3)
    layer.learn(panel)
    assert layer.std[:, 0].tolist()[1:] == [1.0, 1.0]
    scaled = layer(panel)
    assert scaled[:, 0].mean().abs() < 1e-4
    assert scaled[:, 0].std() == pytest.approx(1, abs=1e-3)
    assert scaled[:, 1:].abs().max() < 1e-6


def test_standardisation_refuses_other_channels_where_broadcasting_would_not():
    with pytest.raises(ValueError, match=r"got series of shape \(4, 1, 30\); expected .*, 2, "):
        Standardise(2)(torch.zeros(4, 1, 30))
    with pytest.raises(ValueError, match="expected"):
        Standardise(1)(torch.zeros(4, 30))


@pytest.mark.parametrize("name", STUDENTS)
def test_names_stand_for_the_default_configurations(name):
    net = as_net(name, 1, 20, 3)
    assert type(net.module) is type(STUDENTS[name]().build(1, 20, 3))


def test_modules_are_copied_with_their_weights():
    module = Lite().build(1, 20, 3)
    net = as_net(module, 1, 20, 3).initialize()
    assert net.module_ is not module
    for ours, theirs in zip(net.module_.parameters(), module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_skorch_nets_keep_their_own_settings():
    mine = NeuralNetClassifier(nn.Linear, module__in_features=3, module__out_features=2, lr=0.7)
    net = as_net(mine, 1, 20, 2, lr=0.1, max_epochs=99)
    assert net is not mine
    assert net.lr == 0.7 and net.max_epochs == 10


@pytest.mark.parametrize("student", ["tiny", 3, None, {}, lambda *shape: "network"])
def test_what_is_no_student_is_told_what_is(student):
    with pytest.raises(StudentError, match=r"expected (one of 'lite'|a torch.nn.Module)"):
        as_net(student, 1, 20, 3)


BAD_CONFIGURATIONS = {
    "negative filters": (Lite(n_filters=-1), "Lite.n_filters=-1; expected a whole number above 0."),
    "half filters": (FCN(n_filters=2.5), "FCN.n_filters=2.5; expected a whole number above 0."),
    "no lengths": (
        Lite(kernel_sizes=()),
        "Lite.kernel_sizes=(); expected one length or more, whole numbers above 0, such as "
        "(7, 5, 3).",
    ),
    "too few lengths": (
        FCN(kernel_sizes=(3, 5)),
        "FCN.kernel_sizes=(3, 5); expected 3 lengths, whole numbers above 0, such as (7, 5, 3).",
    ),
    "one length without a tuple": (
        Lite(kernel_sizes=9),
        "Lite.kernel_sizes=9; expected one length or more, whole numbers above 0, such as "
        "(7, 5, 3).",
    ),
    "text for a flag": (
        GRU(bidirectional="no"),
        "GRU.bidirectional='no'; expected True or False.",
    ),
    "no layers": (GRU(n_layers=0), "GRU.n_layers=0; expected a whole number above 0."),
    "no blocks": (Inception(n_blocks=0), "Inception.n_blocks=0; expected a whole number above 0."),
}


@pytest.mark.parametrize("case", BAD_CONFIGURATIONS)
def test_configurations_that_cannot_be_built_name_the_parameter(toy, quick, case):
    student, message = BAD_CONFIGURATIONS[case]
    for build in (lambda: student.build(1, 20, 3), lambda: quick(student=student).fit(*toy)):
        with pytest.raises(ParameterError) as caught:
            build()
        assert str(caught.value) == message


@pytest.mark.parametrize("student", CONFIGURATIONS[:5], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((0, 10, 2), "n_channels=0; expected a whole number above 0."),
        ((1, 0, 2), "n_timepoints=0; expected a whole number above 0."),
        ((1, 10, 1), "n_classes=1; expected a whole number of 2 or more."),
    ],
)
def test_series_without_channels_timepoints_or_classes_have_no_network(student, shape, message):
    with pytest.raises(ParameterError) as caught:
        student.build(*shape)
    assert str(caught.value) == message


SMALL = {
    "lite": (Lite(n_filters=np.int8(60)), Lite(n_filters=60)),
    "fcn": (
        FCN(n_filters=np.int8(100), kernel_sizes=np.array([7, 5, 3], dtype=np.int8)),
        FCN(n_filters=100),
    ),
    "gru": (GRU(hidden_size=np.int8(70)), GRU(hidden_size=70)),
    "inception": (Inception(n_filters=np.int8(40)), Inception(n_filters=40)),
    "resnet": (ResNet(n_filters=np.int8(70)), ResNet(n_filters=70)),
}


@pytest.mark.parametrize("name", SMALL)
def test_sizes_of_small_integer_types_do_not_overflow(name):
    small, plain = (
        [tuple(weight.shape) for weight in student.build(1, 20, 3).parameters()]
        for student in SMALL[name]
    )
    assert small == plain


def test_what_fails_in_the_users_code_is_a_student_error(toy, quick):
    def my_factory(n_channels, n_timepoints, n_classes):
        raise KeyError("boom")

    cases = {
        "my_factory .*KeyError: 'boom'": my_factory,
        "<lambda> .*TypeError": lambda: nn.Linear(20, 3),
        "NeuralNetClassifier .*TypeError": NeuralNetClassifier(nn.Linear, module__no_such=3),
    }
    for message, student in cases.items():
        with pytest.raises(StudentError, match=f"^student {message}.*Check its settings; a fact"):
            quick(student=student).fit(*toy)


def linear_net(**settings):
    module = nn.Sequential(nn.Flatten(), nn.Linear(20, 3))
    settings = {"max_epochs": 1, "criterion": nn.CrossEntropyLoss, "verbose": 0} | settings
    return NeuralNetClassifier(module, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "cpu:0"},
        {"device": torch.device("cpu", 0)},
        {"student": linear_net(device="cpu:0")},
    ],
    ids=["named", "torch.device", "skorch"],
)
def test_the_only_cpu_may_have_a_number(toy, quick, settings):
    X, y = toy
    student = quick(max_epochs=1, **settings).fit(X, y)
    expected = student.predict_proba(X)
    for copied in (copy.deepcopy(student), pickle.loads(pickle.dumps(student))):
        np.testing.assert_array_equal(copied.predict_proba(X), expected)


@pytest.mark.parametrize("callbacks", [["x"], [(3, Callback())], ["x", Callback()], [("a", "b")]])
def test_what_is_no_callback_is_refused(toy, quick, callbacks):
    bad = callbacks[0]
    for name, student in (
        ("student.callbacks", quick(student=linear_net(callbacks=callbacks))),
        ("callbacks", quick(callbacks=callbacks)),
    ):
        with pytest.raises(ParameterError) as caught:
            student.fit(*toy)
        assert str(caught.value) == (
            f"{name} holds {bad!r}; expected skorch callbacks, or (name, callback) with a str as "
            "name."
        )


@pytest.mark.parametrize("max_epochs", [0, -1, 2.5, None])
def test_a_net_without_a_number_of_epochs_is_refused(toy, quick, max_epochs):
    with pytest.raises(StudentError) as caught:
        quick(student=linear_net(max_epochs=max_epochs)).fit(*toy)
    assert str(caught.value) == (
        f"student is a skorch net with max_epochs={max_epochs!r}; expected a whole number above 0."
    )


class AnswersInAList(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(20, 3)

    def forward(self, x):
        return [self.linear(x.flatten(1))]


def test_answers_that_are_no_tensor_are_refused(toy, quick):
    with pytest.raises(StudentError) as caught:
        quick(student=AnswersInAList()).fit(*toy)
    assert str(caught.value) == (
        "student AnswersInAList returns shape list for 2 series; expected (2, 3), one logit for "
        "each of the 3 classes."
    )


@pytest.mark.parametrize(
    ("n_timepoints", "stride", "pool"),
    [
        (20, 2, 1),
        (299, 2, 1),
        (300, 3, 1),
        (577, 5, 1),
        (2399, 8, 1),
        (2400, 8, 3),
        (20_000, 8, 25),
    ],
)
def test_lite_sees_long_series_at_about_a_hundred_places(n_timepoints, stride, pool):
    network = Lite().build(1, n_timepoints, 2)
    assert network.shapes[0].stride == (stride,)
    assert (1 if network.pool is None else network.pool.kernel_size[0]) == pool
    assert n_timepoints < 200 or 95 <= n_timepoints / (stride * pool) <= 300
    assert Lite(stride=2).build(1, n_timepoints, 2).pool is None
    own = Lite(stride=1, pool=5).build(1, n_timepoints, 2)
    assert own.shapes[0].stride == (1,) and own.pool.kernel_size == (5,)


def test_a_mean_over_places_is_one_of_all_timesteps():
    network, x = Lite(2, (5, 3), pool=3).build(1, 61, 3).eval(), torch.randn(2, 1, 61)
    found = {}
    network.combine[0].register_forward_pre_hook(lambda _, given: found.update(x=given[0]))
    with torch.no_grad():
        network(x)
        stage = network.normalise(
            torch.cat([conv(network.standardise(x)) for conv in network.shapes], dim=1)
        )
    slowly = torch.stack(
        [stage[..., max(0, 3 * i - 1) : 3 * i + 2].sum(dim=-1) / 3 for i in range(11)], dim=-1
    )
    torch.testing.assert_close(found["x"], slowly)


def test_lite_reduces_many_channels_first():
    n_weights = {
        n: sum(p.numel() for p in Lite().build(n, 50, 2).parameters()) for n in (12, 13, 500)
    }
    assert n_weights[12] == 8794 + 11 * 536 and n_weights[500] < 21_000
    assert n_weights[13] < n_weights[12] + 200
    whole = Lite(bottleneck=None).build(500, 50, 2)
    assert sum(p.numel() for p in whole.parameters()) == 8794 + 499 * 536


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (Lite(pool=2), "Lite.pool=2; expected an odd number"),
        (Lite(pool=0), "Lite.pool=0; expected a whole number"),
        (Lite(stride=0), "Lite.stride=0; expected a whole number"),
        (Lite(bottleneck=0), "Lite.bottleneck=0; expected a whole number"),
    ],
)
def test_sizes_that_lite_cannot_have_are_refused(student, message):
    with pytest.raises(ParameterError, match=message):
        student.build(1, 50, 2)
