"""The batches of a rollout over a number of hosts: how large each is, and which terms do not fit."""

from __future__ import annotations

import math

from jobqueue.errors import InvalidInput
from jobqueue.model.rollout import MAX_BATCHES, Amount, Rollout


def amount_of(amount: Amount, hosts: int) -> int:
    """A number of hosts, or a share of them such as "5%", rounded up; at least 1."""
    if isinstance(amount, int):
        return amount
    # as in create_jobs.lua: a share that is a whole number of hosts is not rounded up for its binary digits
    return max(1, math.ceil(hosts * float(amount.removesuffix("%")) / 100 - 1e-9))


def bounds(canary: int, batch: int, hosts: int) -> list[tuple[int, int]]:
    """The first and the last place (exclusive) of each batch; ``canary`` hosts are the first one, 0: there is none."""
    canaries = min(canary, hosts)
    first = [(0, canaries)] if canaries else []
    return [*first, *((begin, min(begin + batch, hosts)) for begin in range(canaries, hosts, batch))]


def bounds_of(rollout: Rollout, hosts: int) -> list[tuple[int, int]]:
    """The same for terms over a number of hosts. Raises ``InvalidInput`` for terms that do not fit it."""
    if amount_of(rollout.max_failures, hosts) > hosts:
        raise misfit("max_failures", hosts)
    batch = amount_of(rollout.batch or "100%", hosts)
    if math.ceil((hosts - min(rollout.canary, hosts)) / batch) > MAX_BATCHES:
        raise misfit("batch", hosts)
    return bounds(rollout.canary, batch, hosts)


def misfit(field: str, hosts: int) -> InvalidInput:
    """The refusal of a term that does not fit the number of hosts."""
    if field == "batch":
        sentence = f"Would make more than {MAX_BATCHES} batches of the target's {hosts} hosts; give larger ones."
    else:
        sentence = (
            f"Is more than the target's {hosts} hosts, so the limit could never be reached; give at most {hosts}."
        )
    return InvalidInput.of(f"rollout.{field}", sentence)


def needs_several_hosts(target: str) -> InvalidInput:
    """The refusal of a rollout with a target of one host."""
    sentence = f"Needs a target of several hosts: _all, a label or an expression; {target[:80]!r} is one host."
    return InvalidInput.of("rollout", sentence)
