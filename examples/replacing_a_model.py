"""Run the page docs/replacing_a_model.md: its code, block after block, and its pictures.

    OMP_NUM_THREADS=1 python examples/replacing_a_model.py --folder pictures

Prints every block's output; with ``--rewrite``, also writes the outputs into the page.
"""

import argparse
import contextlib
import io
import os
import pathlib
import re
import shutil
import tempfile

import matplotlib
import torch

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "replacing_a_model.md"
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:```\n(?P<output>.*?)```\n)?", re.DOTALL)


def blocks_of(text):
    """Code and printed output, None if there is none, of every block of a page.

    Parameters
    ----------
    text : str

    Returns
    -------
    blocks : list of (str, str or None)
    """
    return [(found["code"], found["output"]) for found in BLOCK.finditer(text)]


def run(blocks, folder):
    """Run blocks in one namespace, inside a folder.

    Parameters
    ----------
    blocks : list of (str, str or None)
    folder : path
        Where what they write is put.

    Returns
    -------
    printed : list of str
    names : dict
        What the blocks have defined.
    """
    matplotlib.use("Agg")
    torch.set_num_threads(1)
    before, printed, names = os.getcwd(), [], {"__name__": "page"}
    os.chdir(folder)
    try:
        for code, _ in blocks:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(code, str(PAGE), "exec"), names)
            printed.append(re.sub(r" +$", "", out.getvalue(), flags=re.MULTILINE))
    finally:
        os.chdir(before)
    return printed, names


def rewritten(text, printed):
    """The page with other outputs.

    Parameters
    ----------
    text : str
    printed : list of str
        One for each block; "" for a block without output.

    Returns
    -------
    text : str
    """
    outputs = iter(printed)

    def block(found):
        output = next(outputs)
        return f"```python\n{found['code']}```\n" + (f"```\n{output}```\n" if output else "")

    return BLOCK.sub(block, text)


def main():
    """Run the page, print, and copy its pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=pathlib.Path, help="where to put the pictures")
    parser.add_argument("--rewrite", action="store_true", help="write the outputs into the page")
    options = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        printed, _ = run(blocks_of(text), folder)
        if options.folder is not None:
            options.folder.mkdir(parents=True, exist_ok=True)
            for picture in pathlib.Path(folder).glob("*.png"):
                shutil.copy(picture, options.folder)
    print("\n".join(filter(None, printed)), end="")
    if options.rewrite:
        PAGE.write_text(rewritten(text, printed), encoding="utf-8")


if __name__ == "__main__":
    main()
