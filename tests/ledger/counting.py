"""Counts the commands that scripts run: a bound on a call is a number of commands, which no busy machine changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis


def commands_of(client: redis.Redis, call: Callable[[], Any]) -> int:
    """The number of commands that Redis runs for ``call``, those inside scripts included."""
    client.config_resetstat()
    call()
    counted: Any = client.info("commandstats")
    ours = ("cmdstat_info", "cmdstat_config", "cmdstat_config|resetstat")
    return sum(stats["calls"] for name, stats in counted.items() if name not in ours)


def calls_of(client: redis.Redis, command: str) -> int:
    """How often the server has run a command. Older servers count BRPOP when it begins, newer ones when it ends."""
    counted: dict[str, dict[str, int]] = client.info("commandstats")
    return counted.get(f"cmdstat_{command}", {"calls": 0})["calls"]


class Most:
    """The largest number of commands that one call of a script ran."""

    def __init__(self) -> None:
        self.calls = 0
        self.most = 0


@contextmanager
def most_in_one_call(client: redis.Redis, scripts: Any) -> Iterator[Most]:
    """Counts each call of a verb that goes through ``scripts`` (``Scripts.call``), on its own."""
    found, original = Most(), scripts.call

    def call(verb: str, *arguments: Any) -> Any:
        answer: list[Any] = []
        ran = commands_of(client, lambda: answer.append(original(verb, *arguments)))
        found.calls += 1
        found.most = max(found.most, ran)
        return answer[0]

    scripts.call = call
    try:
        yield found
    finally:
        scripts.call = original


def words_of(client: redis.Redis, call: Callable[[], Any]) -> int:
    """The number of words in the commands that Redis runs for ``call``: names and arguments, also of its scripts."""
    words = 0
    with client.monitor() as monitor:
        call()
        client.echo("end of the call")
        for entry in monitor.listen():
            if entry["command"].endswith("end of the call"):
                return words
            words += len(entry["command"].split())
    raise AssertionError("the monitor has ended")
