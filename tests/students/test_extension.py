from torch import nn

from tsdistill.students import Lite
from tsdistill.students.explained import ExplainedStudent
from tsdistill.students.extension import GivesMaps, find_extension, student_inside


def test_a_plain_student_is_its_own():
    network = Lite().build(1, 24, 2)
    assert student_inside(network) == (network, "")
    assert find_extension(network, GivesMaps) is None


def test_the_student_is_found_inside_several_extensions():
    network = Lite().build(1, 24, 2)

    class Scaled(nn.Module):
        holds = "inner"

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return 2 * self.inner(x)

    explained = ExplainedStudent(network, n_channels=1, n_classes=2, n_filters=4)
    extended = Scaled(explained)
    student, prefix = student_inside(extended)
    assert student is network and prefix == "inner.extended."
    assert dict(extended.named_modules())[prefix.rstrip(".")] is network
    assert find_extension(extended, GivesMaps) is explained
    assert find_extension(extended, Scaled) is extended


def test_what_a_student_has_of_those_names_is_its_own_business():
    class Student(nn.Module):
        def __init__(self):
            super().__init__()
            self.holds = nn.Linear(24, 2)

        def learnt_maps(self, series):
            raise AssertionError

        def forward(self, x):
            return self.holds(x.flatten(1))

    network = Student()
    assert student_inside(network) == (network, "")
    assert find_extension(network, GivesMaps) is None
