"""What the steps of a fleet cost Redis: the number of calls and the time of one, for fleets of several sizes.

Then the same number of agents is simulated live (``live_fleet.py``): waiting, all answering at once, after a restart.

The bound is compared with the CPU time of a call; its slowest call, as Redis saw it, is shown beside: on a busy machine
it includes the time of other processes.

``--agents 100,1000`` chooses the sizes; ``--before PATH`` is a checkout of an earlier version to measure beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import live_fleet
from benchmarks.process import BenchmarkError
from benchmarks.report import Report, Row
from benchmarks.scale import Scale
from jobqueue.standalone.redis import EmbeddedRedis

TITLE = "a fleet: Redis' time for a call of each step"
#: The longest that one call may hold Redis up, in milliseconds.
_MOST_MS = 20.0
#: The most that claiming and finishing one execution may cost Redis, in milliseconds.
_MOST_EACH_MS = 0.1
_PROGRAM = Path(__file__).with_name("fleet_calls.py")
_ROOT = Path(__file__).parents[1]
_LONGEST_SECONDS = 900


def run(report: Report, scale: Scale) -> None:
    for agents in scale.fleets:
        ours = _figures(_ROOT, agents)
        before = _figures(scale.before, agents) if scale.before else {}
        for step, found in ours.items():
            _add(report, f"{agents:,} agents: {step}", found, before.get(step, {}))
        live_fleet.measure(report, agents, scale.idle_seconds)


def _add(report: Report, what: str, found: dict[str, float], before: dict[str, float]) -> None:
    is_each = "each" in what
    for figures in (found, before):
        if figures:  # a script takes no more than Redis' CPU time: on a busy machine it was interrupted
            figures["each_ms"] = min(figures["total_ms"], figures["cpu_ms"])
            figures["call_ms"] = min(figures["slowest_ms"], figures["cpu_ms"] / max(1, figures["calls"]))
    name, bound = ("each_ms", _MOST_EACH_MS) if is_each else ("call_ms", _MOST_MS)
    report.add(
        Row(
            what,
            _shown(found, name),
            _shown(before, name) if before else "",
            ratio=found[name] / bound,
            most=1.0,
            values={"now": found, "before": before},
        )
    )


def _shown(found: dict[str, float], name: str) -> str:
    if name == "each_ms":
        return f"{found[name]:.3f} ms"
    return f"{found['calls']:.0f} x {found[name]:.2f} ms (slowest {found['slowest_ms']:.1f})"


def _figures(checkout: Path, agents: int) -> dict[str, dict[str, float]]:
    """The figures of the version in this checkout, with a Redis of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="jobqueue-bench-") as directory,
        EmbeddedRedis(Path(directory) / "redis", persistent=False).running() as server,
    ):
        answer = subprocess.run(
            [sys.executable, str(_PROGRAM), server.url, directory, str(agents)],
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout.resolve()), "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    if answer.returncode:
        raise BenchmarkError(f"{checkout} with {agents} agents: {answer.stderr[-2000:]}")
    figures: dict[str, dict[str, float]] = json.loads(answer.stdout.splitlines()[-1])
    return figures
