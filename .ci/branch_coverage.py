"""Print the share of branches that the tests take, and fail where it is too small.

``coverage report`` counts lines and branches together, and lines are many and easily covered.

    python -m coverage json --quiet -o - | python .ci/branch_coverage.py 95
"""

import json
import sys

least = float(sys.argv[1])
totals = json.load(sys.stdin)["totals"]
taken, n_branches = totals["covered_branches"], totals["num_branches"]
share = 100 * taken / n_branches
print(f"{taken:,} of {n_branches:,} branches are taken: {share:.1f} %")
sys.exit(f"expected {least:g} % or more" if share < least else None)
