"""Loads the Lua scripts of ``lua/`` and calls them by EVALSHA.

A script's source is what it needs, put together at load time: the key names (``keys.py``), the states and the table of
transitions (``model/states.py``), the includes that its header names, and the file itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import redis
from redis.exceptions import NoPermissionError, NoScriptError, RedisError

from jobqueue.errors import LedgerUnavailable
from jobqueue.model.measures import BUCKETS
from jobqueue.model.states import FINAL_STATES, FINAL_STATUSES, TRANSITIONS, ExecutionState
from jobqueue.store.caller import Caller
from jobqueue.store.connection import translated_errors
from jobqueue.store.keys import Keys

_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)
Argument = str | int | float | bytes

#: The time in microseconds, as the scripts take it; '' asks Redis for its own. Tests give a clock that they can move.
Clock = Callable[[], str]


def redis_clock() -> str:
    """Redis' own clock, so that all share one."""
    return ""


#: Every verb of the ledger; one file each.
VERBS = (
    "create",
    "claim",
    "finish",
    "alert",
    "ended",
    "renew",
    "append",
    "report",
    "peek",
    "find",
    "cancel",
    "drive",
    "forsake",
    "configure",
    "promote",
    "reap",
    "expire",
    "reconcile",
    "delete",
    "page",
    "scan",
    "sizes",
    "read",
    "glance",
    "register",
    "beat",
    "leave",
    "drain",
    "certify",
    "revoke",
    "forget",
    "lead",
    "prune",
    "stage",
    "shelve",
    "unstage",
    "pin",
    "sweep",
    "audit",
    "trail",
    "mend",
    "attempt",
    "pace",
    "record",
)


@cache
def _text(name: str) -> str:
    return (files("jobqueue.store") / "lua" / f"{name}.lua").read_text("utf-8")


def _lua_set(values: Iterable[str]) -> str:
    return "{" + ", ".join(f"{value} = true" for value in sorted(values)) + "}"


def _tables() -> dict[str, str]:
    """The model's tables in Lua, by the name under which scripts use them."""
    allowed = ", ".join(f"{state} = {_lua_set(map(str, to))}" for state, to in TRANSITIONS.items())
    states = ", ".join(f"'{state}'" for state in ExecutionState)
    tables = {
        "STATES": f"{{{states}}}",
        "ALLOWED": f"{{{allowed}}}",
        "FINAL": _lua_set(map(str, FINAL_STATUSES)),
        "FINAL_STATES": _lua_set(map(str, FINAL_STATES)),
        "BUCKETS": f"{{{', '.join(str(int(seconds * 1_000_000)) for seconds in BUCKETS)}}}",
    }
    return {name: f"local {name} = {table}" for name, table in tables.items()}


def source(verb: str, keys: Keys) -> str:
    """The complete Lua source of one verb."""
    text = _text(verb)
    include = _INCLUDE.search(text)
    names = include.group(1).split() if include else []
    return complete("\n".join([*(_text(f"include/{name}") for name in names), text]), keys)


def complete(code: str, keys: Keys) -> str:
    """Lua code with the keys and the model's tables that it uses in front."""
    # Redis runs all of it with every call, so a script gets no more than it uses
    kinds = sorted(set(re.findall(r"\bK\.(\w+)", code)))
    tables = [table for name, table in _tables().items() if re.search(rf"\b{name}\b", code)]
    return "\n".join([keys.lua_table(kinds), *tables, code])


class Scripts:
    """The ledger's verbs, callable on one Redis. Thread-safe, as the client is."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._call = Caller(client)
        self._sources = {verb: source(verb, keys) for verb in VERBS}
        self._shas = {
            verb: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for verb, text in self._sources.items()
        }

    def load(self) -> None:
        """Load every script, so that users who may only call them can (Redis ACL), also after a restart of Redis."""
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for text in self._sources.values():
                pipe.script_load(text)
            pipe.execute()

    def call(self, verb: str, *args: Argument) -> Any:
        """Call one verb; raises ``LedgerUnavailable`` when Redis cannot be reached."""
        with translated_errors():
            try:
                return self._call("EVALSHA", self._shas[verb], 0, *args)
            except NoScriptError:
                return self._bring(verb, args)

    def missing(self) -> bool:
        """Whether Redis lacks a script: it was restarted, or another server took over. Raises ``LedgerUnavailable``."""
        with translated_errors():
            return not all(self._call("SCRIPT EXISTS", *self._shas.values()))

    def close(self) -> None:
        """Close the connections; the next call opens a new one."""
        self._call.close()

    def _bring(self, verb: str, args: tuple[Argument, ...]) -> Any:
        """Call a verb whose script Redis does not have."""
        try:
            return self._call("EVAL", self._sources[verb], 0, *args)
        except NoPermissionError as error:
            if "'eval'" not in str(error):  # the verb ran, and did what our user may not
                raise
            raise LedgerUnavailable(
                f"Redis does not have our script {verb!r}, and our user may not load it: maintenance does, as soon as "
                "it runs and is of the same version."
            ) from error

    def call_many(self, verb: str, calls: list[tuple[Argument, ...]], *, are_apart: bool = False) -> list[Any]:
        """Call one verb many times in one round trip; each call is atomic, the whole is not.

        ``are_apart``: a call that fails, over a record that is of another kind, gives its error as its answer.
        """
        if not calls:
            return []
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            # loading first costs one cheap command a pipeline, and no call can meet a Redis that lost the script
            pipe.script_load(self._sources[verb])
            for args in calls:
                pipe.evalsha(self._shas[verb], 0, *args)
            answers = list(pipe.execute(raise_on_error=not are_apart))
            for answer in answers:
                if isinstance(answer, RedisError) and "WRONGTYPE" not in str(answer):
                    raise answer
            return answers[1:]
