"""On how many cases the properties are tried.

In CI each is tried on the same 300 cases every time. With ``FUZZ_EXAMPLES`` in the environment, as
``make fuzz`` sets it, on as many as it says. hypothesis keeps failures in ``.hypothesis``, and
tries them first in the next run, unless a seed says which cases these are. Of a property marked
with ``FEWER`` a case takes a tenth of a second, since it trains two students or draws many maps: it
is tried on a fifth of the cases.
"""

import os

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

COMMON = {
    "deadline": None,  # a first fit imports what later ones find imported
    "print_blob": True,
    "suppress_health_check": [
        *(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
        *(HealthCheck.function_scoped_fixture, HealthCheck.differing_executors),
    ],
}
settings.register_profile("ci", max_examples=300, derandomize=True, **COMMON)
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", 10_000)),
    database=DirectoryBasedExampleDatabase(".hypothesis/examples"),
    **COMMON,
)
settings.load_profile("fuzz" if "FUZZ_EXAMPLES" in os.environ else "ci")


def fewer(share):
    """Settings of a property of which a case is dear: a share of the cases of the others."""
    return settings(max_examples=max(2, round(settings.default.max_examples * share)))


FEWER = fewer(1 / 5)
