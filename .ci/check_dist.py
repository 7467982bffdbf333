"""Whether a wheel and an sdist hold what they should: ``python .ci/check_dist.py dist/*``.

The wheel holds the package as it is under version control, with its licence and nothing else; the
sdist holds every file under version control. What they hold besides is made by setuptools.
"""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
WHEEL_METADATA = {"METADATA", "RECORD", "WHEEL", "top_level.txt", "licenses/LICENSE"}
NEEDED_BY_USERS = {
    "tsdistill/py.typed",
    "tsdistill/export/operations.c",
    "tsdistill/export/page.html",
    "LICENSE",
    "tests/conftest.py",
}


def tracked_files():
    """Files under version control, as paths from the root of the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return set(filter(None, listed.split("\0")))


def wheel_files(path):
    """Files of a wheel, and what its ``dist-info`` folder holds."""
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
    metadata = {name for name in names if name.partition("/")[0].endswith(".dist-info")}
    return names - metadata, {name.partition("/")[2] for name in metadata}


def sdist_files(path):
    """Files of an sdist without those that setuptools adds, as paths from its only folder."""
    with tarfile.open(path) as sdist:
        names = {PurePosixPath(member.name) for member in sdist if member.isfile()}
    inside = {str(name.relative_to(name.parts[0])) for name in names}
    return {name for name in inside if name != "PKG-INFO" and ".egg-info/" not in name}


def differences(what, found, expected):
    """One line for each file that is missing or is there without reason."""
    missing = [f"{what} lacks {name}" for name in sorted(expected - found)]
    return missing + [f"{what} holds {name}" for name in sorted(found - expected)]


def faults(paths):
    """All that is wrong with these files, which are to be one wheel and one sdist."""
    tracked = tracked_files()
    wrong = differences("the checkout", NEEDED_BY_USERS & tracked, NEEDED_BY_USERS)
    kinds = sorted("wheel" if path.suffix == ".whl" else "sdist" for path in paths)
    if kinds != ["sdist", "wheel"]:
        return [f"expected one sdist and one wheel; got {[path.name for path in paths]}"]
    for path in paths:
        if path.suffix == ".whl":
            package, metadata = wheel_files(path)
            own = {name for name in tracked if name.startswith("tsdistill/")}
            wrong += differences("the wheel", package, own)
            wrong += differences("the wheel's metadata", metadata, WHEEL_METADATA)
        else:
            wrong += differences("the sdist", sdist_files(path), tracked)
    return wrong


if __name__ == "__main__":
    wrong = faults([Path(name) for name in sys.argv[1:]])
    print("\n".join(wrong) or "sdist and wheel hold what is under version control")
    sys.exit(bool(wrong))
