"""What all pages that are written have: a content security policy, and only HTML's characters."""

import base64
import hashlib
import re
from collections.abc import Sequence

POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; {scripts}'
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">"
)
NOT_IN_HTML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")


def policy(scripts: Sequence[str] = ()) -> str:
    """The element of a page by which a browser runs no other scripts, and asks nobody anything.

    Parameters
    ----------
    scripts : sequence of str
        What stands in the script elements of the page, character by character.

    Returns
    -------
    html : str
    """
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    sources = " ".join(f"'sha256-{digest}'" for digest in digests)
    return POLICY.format(scripts=f"script-src {sources}; " if sources else "")


def without_controls(text: str) -> str:
    """A text with U+FFFD in place of the characters that HTML cannot hold, such as NUL.

    Parameters
    ----------
    text : str
        A whole page, or a part of one outside of its scripts.

    Returns
    -------
    text : str
    """
    return NOT_IN_HTML.sub("\ufffd", text)
