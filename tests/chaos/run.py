"""One run: start the system, load and break it, heal it, and hold its records against what was promised."""

from __future__ import annotations

import contextlib
from collections import Counter

from redis.exceptions import RedisError

from tests.chaos import plugin, report, snapshot
from tests.chaos.checker import check
from tests.chaos.load import Load
from tests.chaos.monkey import Monkey
from tests.chaos.plan import Plan
from tests.chaos.report import Report
from tests.chaos.world import PATIENT, World

#: Seconds after healing within which everything must be final: a backlog of seconds, leases, back-offs, deadlines.
HEAL_SECONDS = 180.0


def run(plan: Plan, *, without: str = "", heal_seconds: float = HEAL_SECONDS, keep: bool = False) -> Report:
    """Carry a plan out. ``without``: the safeguard that is off. ``keep``: leave logs and records behind."""
    world = World(without)
    try:
        try:
            return _report(world, plan, without, heal_seconds)
        finally:
            with contextlib.suppress(RedisError):
                world.stop()
    finally:
        if not keep:
            world.remove()


def _report(world: World, plan: Plan, without: str, heal_seconds: float) -> Report:
    world.start()
    load, monkey = Load(world.url, world.token, world.effects, world.script), Monkey(world)
    load.start(plan)
    try:
        monkey.run(plan)
    finally:
        monkey.stop()
        world.heal()
        load.join()
    world.wait_until_done(heal_seconds)
    world.stop_processes()  # nothing may write while the records are read
    with world.redis.client(PATIENT) as client:
        stats = {name: int(count) for name, count in client.hgetall(world.keys.kind("stats")).items()}
        records = snapshot.read(client, world.keys.prefix)
    world.stop()
    effects = plugin.runs(world.effects)
    title = f"chaos seed {plan.seed}, {plan.seconds:g} s" + (f", without {without}" if without else "")
    return Report(
        title=title,
        requests=report.tally(load.promises),
        executions=Counter(record["state"] for record in records.kinds["exec"].values()),
        faults=Counter(blow.kind for blow in monkey.blows),
        skipped=monkey.skipped,
        stats=stats,
        recoveries=report.recoveries(monkey.blows, records),
        violations=check(records, load.promises, effects),
        complaints=[*world.complaints, *load.complaints, *monkey.complaints],
    )
