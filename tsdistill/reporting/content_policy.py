"""The content security policy of the pages that are written."""

import base64
import hashlib
from collections.abc import Sequence

POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; {scripts}'
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">"
)


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
