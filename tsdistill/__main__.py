"""The command ``python -m tsdistill``: checks a swap contract, for CI; shows kept answers."""

import argparse
import sys
from collections.abc import Sequence

from tsdistill._version import __version__

KEPT, BROKEN, UNDECIDED_OR_UNUSABLE = 0, 1, 2
EPILOG = """exit status:
  0  every demand is kept
  1  a demand is broken
  2  a demand is undecided: too few series to tell; or something cannot be used, such as a missing
     file, and standard error says what

data.npz, as numpy.savez writes it, holds
  X              series, (n_instances, n_timepoints) or (n_instances, n_channels, n_timepoints), on
                 which neither model was trained
  y              labels, if a demand needs them
  teacher_proba  the teacher's answers, (n_instances, n_classes), if there is no --teacher
  teacher_maps   its saliency maps, (n_instances, n_timepoints), beside teacher_proba

a student of your own make, whose file cannot be read without your code, is named by its place, as
models:student is, with this in models.py of this folder:
  student = SaliencyDistilledClassifier.load("student.tsd", student=MyNetwork)

contract.toml, for example:
  confidence = 0.95
  [demands]
  agreement = 0.98        # as SwapContract takes them, see help(tsdistill.SwapContract)
  negative_flips = 0.01
  constant_bytes = 12000
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        None takes those of the process.

    Returns
    -------
    int
        Exit status: 0, 1 or 2, see ``python -m tsdistill check --help``.

    See Also
    --------
    tsdistill.SwapContract : What the command ``check`` checks.

    Examples
    --------
    >>> from tsdistill.__main__ import main
    >>> main(["check", "contract.toml", "missing.tsd", "missing.npz"])
    2
    """
    options = _parser().parse_args(arguments)
    try:
        status = options.run(options)
    except Exception as error:  # of the user's teacher, too: CI is to see one line
        kind = "" if hasattr(error, "args") and error.args else type(error).__name__
        print(f"tsdistill: {kind}{error}", file=sys.stderr)
        return UNDECIDED_OR_UNUSABLE
    return {"kept": KEPT, "broken": BROKEN}.get(status, UNDECIDED_OR_UNUSABLE)


def _check(options: argparse.Namespace) -> str:
    from tsdistill.swap.command import check

    return check(options)


def _memory(options: argparse.Namespace) -> str:
    from tsdistill.teachers.memory_command import show_memory

    show_memory(options)
    return "kept"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tsdistill",
        description="Distil a heavy time-series classifier into a small network.",
    )
    parser.add_argument("--version", action="version", version=f"tsdistill {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="check a student against a swap contract",
        description="Check whether a student shows what a contract demands of it before it "
        "replaces its teacher.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("contract", metavar="contract.toml", help="what is demanded")
    check.add_argument(
        "student", metavar="student.tsd",
        help="a file that save(path) wrote; or MODULE:OBJECT, a fitted student, see below",
    )  # fmt: skip
    check.add_argument("data", metavar="data.npz", help="series, labels, answers, see below")
    check.add_argument(
        "--teacher", metavar="MODULE:OBJECT",
        help="the fitted teacher, such as models:forest in models.py of this folder",
    )  # fmt: skip
    check.add_argument(
        "--n-explained", type=int, default=500, metavar="N",
        help="most series with saliency maps; each costs the teacher about 31 queries "
        "(default: 500)",
    )  # fmt: skip
    for kind, ending, what in (
        ("json", "json", "everything: numbers, versions, SHA-256 digests, date"),
        ("junit", "xml", "a JUnit file, one test case for each demand"),
        ("html", "html", "one page to hand over"),
    ):
        check.add_argument(f"--{kind}", metavar=f"OUT.{ending}", help=f"write {what}")
    check.set_defaults(run=_check)
    memory = commands.add_parser(
        "memory",
        help="show, bound or clear the teacher's answers that memory keeps",
        description="Show how many answers of teachers a folder holds, what they take and when "
        "they were used.",
    )
    memory.add_argument("folder", metavar="FOLDER", help="what was passed as memory")
    remove = memory.add_mutually_exclusive_group()
    remove.add_argument("--clear", action="store_true", help="remove all of them")
    remove.add_argument(
        "--limit", metavar="SIZE",
        help="remove those not used for longest, until the others take less, such as '10 GB'",
    )  # fmt: skip
    memory.set_defaults(run=_memory)
    return parser


if __name__ == "__main__":
    sys.exit(main())
