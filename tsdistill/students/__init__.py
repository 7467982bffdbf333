"""Student networks, each a configuration that builds a small torch module."""

from tsdistill.students.base import Standardise, Student
from tsdistill.students.fcn import FCN
from tsdistill.students.gru import GRU
from tsdistill.students.inception import Inception
from tsdistill.students.lite import Lite
from tsdistill.students.resnet import ResNet

STUDENTS: dict[str, type[Student]] = {
    "lite": Lite,
    "inception": Inception,
    "fcn": FCN,
    "resnet": ResNet,
    "gru": GRU,
}

__all__ = ["FCN", "GRU", "STUDENTS", "Inception", "Lite", "ResNet", "Standardise", "Student"]
