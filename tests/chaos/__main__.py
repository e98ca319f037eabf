"""``python -m tests.chaos --minutes 10 --seed 1``: a long run; prints the totals, exit code 1 if anything is wrong."""

from __future__ import annotations

import argparse
import sys

from tests.chaos.plan import FAULTS, make_plan
from tests.chaos.run import HEAL_SECONDS, run
from tests.chaos.sabotage import SAFEGUARDS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same plan")
    parser.add_argument("--faults", nargs="+", choices=sorted(FAULTS), default=list(FAULTS), help="only these kinds")
    parser.add_argument("--without", choices=SAFEGUARDS, default="", help="switch a safeguard off: this must fail")
    parser.add_argument("--heal", type=float, default=HEAL_SECONDS, help="seconds until everything must be final")
    parser.add_argument("--keep", action="store_true", help="leave logs and records in the temporary directory")
    given = parser.parse_args()
    plan = make_plan(given.seed, given.minutes * 60, tuple(given.faults))
    report = run(plan, without=given.without, heal_seconds=given.heal, keep=given.keep)
    print(report)  # noqa: T201 - what the command is for
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
