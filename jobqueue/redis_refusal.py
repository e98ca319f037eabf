"""Temporary errors of a Redis server that is reachable but rejects commands.

One table for all components: agents wait and continue, the API responds with 503, running work is not ended. Any other
error is a bug or a damaged record and must surface.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)

_NO_WRITES = "takes no writes"
_NO_COMMANDS = "takes no commands"
#: The code at the start of the server's error -> what it rejects, and why.
CODES: Mapping[str, tuple[str, str]] = {
    "OOM": (_NO_WRITES, "its memory is full (maxmemory)"),
    "MISCONF": (_NO_WRITES, "it cannot save its data to its disk"),
    "READONLY": (_NO_WRITES, "it is a read-only replica"),
    "NOREPLICAS": (_NO_WRITES, "too few replicas are connected (min-replicas-to-write)"),
    "MASTERDOWN": (_NO_COMMANDS, "it is a replica that has lost its primary"),
    "LOADING": (_NO_COMMANDS, "it loads its data after a start"),
    "BUSY": (_NO_COMMANDS, "it is busy with a script"),
    "UNBLOCKED": (_NO_COMMANDS, "it has just become a replica"),
    "CLUSTERDOWN": (_NO_COMMANDS, "its cluster is down"),
    "TRYAGAIN": (_NO_COMMANDS, "its cluster moves keys"),
}
#: redis-py cuts the code off from the text of these; the first that fits decides.
_CLASSES: tuple[tuple[type[RedisError], str], ...] = (
    (OutOfMemoryError, "OOM"),
    (ReadOnlyError, "READONLY"),
    (BusyLoadingError, "LOADING"),
    (MasterDownError, "MASTERDOWN"),
    (ClusterDownError, "CLUSTERDOWN"),
    (TryAgainError, "TRYAGAIN"),
)
_NAMES = "|".join(CODES)
#: redis-py writes the command, which holds what users sent, before the server's text.
_PIPELINED = re.compile(r"^Command # \d+ \(.*\) of pipeline caused error: ", re.DOTALL)
#: Redis 6.2 names the script before the text of the error that the script met; fakeredis does not know the line.
_IN_SCRIPT = re.compile(
    r"^(?:ERR )?Error running script \(call to \w+\): @user_script:[\d?]+: (?:@user_script: \d+: )?"
)
_TEXT = re.compile(rf"^-?(?:ERR )?({_NAMES})(?: |$)")
#: After one of these, resolve the server again: a Sentinel or a DNS name may lead to another one by now.
_ELSEWHERE = frozenset({"READONLY", "MASTERDOWN", "LOADING", "UNBLOCKED"})


@dataclass(frozen=True)
class Refusal:
    """A server's current refusal. ``code`` is one of ``CODES``."""

    code: str

    @property
    def sentence(self) -> str:
        """A sentence for people, without the server's own text."""
        meaning, why = CODES[self.code]
        return f"Redis {meaning}: {why} ({self.code})"

    @property
    def is_elsewhere(self) -> bool:
        """Whether another server may be responsible now."""
        return self.code in _ELSEWHERE


def refusal_of(error: BaseException) -> Refusal | None:
    """The refusal behind a redis-py error; None for any other error."""
    for kind, code in _CLASSES:
        if isinstance(error, kind):
            return Refusal(code)
    if not isinstance(error, RedisError):
        return None
    match = _TEXT.match(server_text(error))
    return Refusal(match.group(1)) if match else None


def server_text(error: BaseException) -> str:
    """The server's own error text, without the prefix that redis-py or a script added."""
    return _IN_SCRIPT.sub("", _PIPELINED.sub("", str(error)))
