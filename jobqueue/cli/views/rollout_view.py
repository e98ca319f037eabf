"""The rollout of a job: its terms, why it waits or stopped, and its batches."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import one_line

#: Batches beyond this number are left out in the middle, unless everything is asked for.
_BATCHES = 20


def _verification(verify: Mapping[str, Any] | None) -> str | None:
    """The operation that verifies each host, with its data."""
    if not verify:
        return None
    operation = verify.get("operation") or {}
    data = f" {json.dumps(operation['data'], ensure_ascii=False)}" if operation.get("data") else ""
    within = f", within {verify['within_seconds']:g} s" if "within_seconds" in verify else ""
    return one_line(f"{operation.get('type')}{data}{within}")


def show_rollout(screen: Screen, rollout: Mapping[str, Any], day: str | None) -> None:
    """Print it; ``day`` is the time of the job's creation."""
    terms = ", ".join(f"{name} {value}" for name, value in (rollout.get("terms") or {}).items() if name != "verify")
    screen.fields(
        [
            ("Terms", terms),
            ("Verified by", _verification((rollout.get("terms") or {}).get("verify"))),
            ("State", str(rollout.get("state") or "unknown").replace("_", " ")),
            ("Stopped because", rollout.get("stopped_because")),
            ("Next opens", screen.clock(rollout["next_opens"], day) if rollout.get("next_opens") else None),
        ]
    )
    batches = list(rollout.get("batches") or [])
    left_out = 0
    if not screen.full and len(batches) > _BATCHES:
        # the newest that were opened, and the next
        first = max(0, sum(1 for batch in batches if batch.get("opened")) - _BATCHES // 2)
        shown = batches[first : first + _BATCHES]
        left_out = len(batches) - len(shown)
        batches = shown
    columns = (Column("BATCH", uncut=True, right=True), Column("STATE", uncut=True))
    screen.table(
        (
            *columns,
            Column("HOSTS", uncut=True, right=True),
            Column("OPENED"),
            Column("ENDED"),
            Column("COUNTS", wrap=True),
        ),
        [
            (
                batch.get("number"),
                str(batch.get("state")).replace("_", " "),
                batch.get("hosts"),
                screen.clock(batch.get("opened"), day) if batch.get("opened") else "",
                screen.clock(batch.get("ended"), day) if batch.get("ended") else "",
                ", ".join(f"{one_line(state)} {count}" for state, count in (batch.get("counts") or {}).items()),
            )
            for batch in batches
        ],
    )
    if left_out:
        screen.line(f"{left_out} more batches; --full shows all.", "dim")
