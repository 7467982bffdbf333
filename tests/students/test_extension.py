from torch import nn

from tsdistill.students import Lite
from tsdistill.students.explained import ExplainedStudent
from tsdistill.students.extension import part_with_maps, student_inside


def test_a_plain_student_is_its_own():
    network = Lite().build(1, 24, 2)
    assert student_inside(network) == (network, "")
    assert part_with_maps(network) is None


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
    assert part_with_maps(extended) is explained
