"""A connection to Redis that breaks after a command was executed, and before its answer arrives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from jobqueue.ledger.script_connection import ScriptConnection


@contextmanager
def lost_answers(always: str = "") -> Iterator[None]:
    """The first answer to each script is lost, and the caller sends it again; all answers to the script with the digest
    ``always``.
    """
    once = ScriptConnection._once
    lost: set[tuple[Any, ...]] = set()

    def lose(self: ScriptConnection, commands: Sequence[tuple[Any, ...]], *rest: Any) -> list[Any]:
        answers = once(self, commands, *rest)
        scripts = {command for command in commands if command[0] in ("EVAL", "EVALSHA")}
        unanswered = {command for command in scripts if command[1] == always or command not in lost}
        if unanswered:
            lost.update(unanswered)
            raise RedisConnectionError("The answer was lost.")
        return answers

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ScriptConnection, "_once", lose)
        yield
    assert lost
