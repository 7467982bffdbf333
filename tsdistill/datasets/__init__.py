"""Data sets: synthetic series with known saliency, and the files of the UCR archive."""

from tsdistill.datasets.boxes import make_middle_box, make_rare_feature, make_rare_time
from tsdistill.datasets.synthetic import make_freq_shapes, make_low_var, make_seq_comb
from tsdistill.datasets.ucr import load_ucr

__all__ = [
    "load_ucr",
    "make_freq_shapes",
    "make_low_var",
    "make_middle_box",
    "make_rare_feature",
    "make_rare_time",
    "make_seq_comb",
]
