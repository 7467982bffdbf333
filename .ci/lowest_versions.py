"""Print the lowest versions that setup.cfg allows, as requirements for pip.

torch is left out unless ``--torch`` is passed: constraints.txt pins it, and its lowest version
comes from an index with several gigabytes of CUDA alone, which the weekly workflow takes.
"""

import configparser
import re
import sys
from pathlib import Path

SETUP = Path(__file__).parent.parent / "setup.cfg"
EXTRAS = "plot", "explain", "save", "onnx", "distributed"
OF_THE_TESTS = "dask", "numba"
"""What the tests need beside the extras of users; the other tools of theirs are the newest."""


def lowest(path=SETUP, torch=False):
    """Requirements ``name==version``: of the package, its extras, and some of its tests'."""
    metadata = configparser.ConfigParser()
    metadata.read(path)
    extras = metadata["options.extras_require"]
    lines = metadata["options"]["install_requires"].splitlines()
    for extra in EXTRAS:
        lines += extras[extra].splitlines()
    lines += [line for line in extras["test"].splitlines() if line.startswith(OF_THE_TESTS)]
    pins = {}
    for line in filter(None, lines):
        requirement, _, marker = line.partition(";")
        name, version = re.fullmatch(r"([\w\-\[\]]+)>=([\w.]+)", requirement.strip()).groups()
        pins[name] = f"{name}=={version}" + (f" ; {marker.strip()}" if marker else "")
    if not torch:
        del pins["torch"]
    return list(pins.values())


if __name__ == "__main__":
    sys.stdout.write("\n".join(lowest(torch="--torch" in sys.argv)) + "\n")
