"""What it costs to evaluate target expressions over a large registry."""

from __future__ import annotations

import random
import statistics
import time

from benchmarks.report import Report, Row
from benchmarks.scale import Scale
from jobqueue.targets.evaluation import Evaluation
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.host import Host
from jobqueue.targets.language import tree
from jobqueue.targets.nodes import Node

TITLE = "Target expressions over 10,000 agents"
_AGENTS = 10_000
#: Milliseconds of CPU time that an evaluation may take.
_WANTED = 50.0
_EXPRESSIONS = (
    "group:web and not zone:a",
    "cpus>=8 and memory.total>20GiB",
    "web[00001-05000] or zone:c",
    "web*1",
    "10% of group:web",
    "1 per zone of _all",
    r'fqdn~"9\.example"',
    r'kernel>=6.4 and (group:db or web*9) and not fqdn~"77"',
)


def agents() -> list[Host]:
    """Agents whose memory and full name are all different."""
    draw = random.Random(1)
    return [
        Host(
            f"web{number:05}",
            labels={"group": draw.choice(["web.a", "web.b", "db"]), "zone": draw.choice("abc")},
            facts={
                "cpus": (draw.choice([4, 8, 16]),),
                "memory.total": (draw.randrange(1 << 34, 1 << 36),),
                "kernel": (f"6.{draw.randrange(9)}.0-amd64",),
                "fqdn": (f"web{number:05}.example.org",),
            },
        )
        for number in range(_AGENTS)
    ]


def milliseconds(hosts: list[Host], text: str) -> float:
    """CPU time of one evaluation over a registry that was just read."""
    fleet = Fleet(hosts)
    node = tree(text)
    begin = time.process_time()
    evaluation = Evaluation(fleet, seed="job", eligible=lambda: fleet.taking, job_hosts=lambda *_: (), stored=_none)
    if not fleet.members(evaluation.hosts(node)):
        raise AssertionError(f"{text} names no agent")
    return (time.process_time() - begin) * 1000


def _none(name: str) -> Node:
    raise AssertionError(f"no target is stored as {name}")


def run(report: Report, scale: Scale) -> None:
    """Each kind of expression."""
    hosts = agents()
    for text in _EXPRESSIONS:
        times = [milliseconds(hosts, text) for _ in range(scale.rounds)]
        median = statistics.median(times)
        report.add(
            Row(
                text,
                f"{median:.1f} ms",
                f"{_WANTED:.0f} ms",
                median / _WANTED,
                most=1.0,
                values={"milliseconds": times},
            )
        )
