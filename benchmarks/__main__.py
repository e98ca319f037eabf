"""``python -m benchmarks [names] [--quick]``: run the benchmarks, print a table, write the figures as JSON."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.process import BenchmarkError
from benchmarks.report import Report
from benchmarks.scale import FULL, QUICK

NAMES = (
    "agent_throughput",
    "agent_pools",
    "submit",
    "security",
    "batch",
    "bodies",
    "listing",
    "broadcast",
    "latency",
    "followers",
    "footprint",
    "metrics",
    "dashboard",
    "aggregation",
    "ray_jobs",
    "redaction",
    "targets",
    "schedules",
    "fleet",
)


def main() -> int:
    """Exit code 0; with ``--strict`` 1 if a figure misses what is wanted; 2 if a benchmark did not work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure jobqueue against its peers.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones; all unless named: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="smaller and rougher, about four minutes")
    parser.add_argument("--jobs", type=int, metavar="N", help="jobs stored in the large ledger of `listing`")
    parser.add_argument("--agents", metavar="N,N", help="sizes of the fleets of `fleet`, such as 100,10000")
    parser.add_argument("--before", type=Path, metavar="PATH", help="a checkout of an earlier version, for `fleet`")
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks.json"), help="where the JSON goes")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a figure misses what is wanted")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(NAMES))
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    scale = QUICK if options.quick else FULL
    if options.jobs:
        scale = replace(scale, stored_jobs=options.jobs)
    if options.agents:
        scale = replace(scale, fleets=tuple(map(int, options.agents.split(","))))
    if options.before:
        scale = replace(scale, before=options.before)
    signal.signal(signal.SIGTERM, _interrupt)  # so that what was started is ended

    report = Report()
    started = time.monotonic()
    failed = []
    for name in options.names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        report.section(name, module.TITLE)
        try:
            module.run(report, scale)
        except BenchmarkError as error:
            failed.append(name)
            print(f"  {name} did not work: {error}", file=sys.stderr)
    report.write(options.output, scale)
    print(f"\n{report.table()}\n\n{time.monotonic() - started:.0f} s; figures in {options.output}")
    for row in report.missed:
        print(f"missed: {row.what}: {row.ratio:.2f}, wanted {row.wanted}")
    if failed:
        return 2
    return 1 if options.strict and report.missed else 0


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted; what was started has been ended.")
