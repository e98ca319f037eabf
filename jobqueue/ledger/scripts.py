"""Loads the Lua scripts of ``lua/`` and calls them by EVALSHA.

A script's source is assembled at load time: the key names (``keys.py``), the states and the table of transitions
(``model/states.py``), the includes that its header names, and the file itself. Redis runs the whole source with every
call, and builds each function and table of it; so a script contains only what it uses. The include ``name|other<a,b>``
is the functions ``name`` and ``other`` of the includes ``a`` and ``b``, built only when one of them is called.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import chain
from typing import Any

import redis
from redis.exceptions import NoPermissionError, NoScriptError, RedisError, ResponseError

from jobqueue.errors import JobQueueError, LedgerUnavailable, RecordAltered
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import KINDS, Keys
from jobqueue.ledger.script_connection import ScriptConnection
from jobqueue.ledger.server_error import is_denied_loading, is_wrong_type
from jobqueue.model.alert import RECORDS_ALTERED
from jobqueue.model.job_fields import ARGUMENTS, LISTED, STORED
from jobqueue.model.rollout import MAX_BATCHES
from jobqueue.model.states import FAILURES, FINAL_STATES, FINAL_STATUSES, TRANSITIONS, ExecutionState, JobStatus
from jobqueue.model.stored_limits import BUCKETS, KEPT_NOTICES, KEPT_RESULTS

#: Kinds of keys that the ledger can do without, or rebuild from other records. A script that meets a damaged one moves
#: it aside and continues (``lua/include/damage_guard.lua``).
REPAIRABLE = (
    *("events", "index", "waiting", "due", "leases", "deadlines", "opening", "finished", "outside", "queue", "clock"),
    *("cancelling", "removals", "queues", "parked", "returning", "holders", "line", "lines"),
    *(
        "agents",
        "hostnames",
        "fleet",
        "agent_log",
        "label",
        "offers",
        "joining",
        "arrivals",
        "noted",
        "roster",
        "profiles",
        "profile",
        "takers",
        "outage",
        "stats",
        "measured",
        "alerts",
    ),
    *(
        "log",
        "fetched",
        "fetched_bytes",
        "leader",
        "failures",
        "pace",
        "spent",
        "used",
        "packages",
        "uploads",
        "bulk",
        "config_log",
        "configs",
    ),
    *("saved_names", "saved_versions", "parents_due", "parts_pending", "surveyor"),
    *("workflow_names", "workflow_versions", "workflow_runs", "workflow_runs_due", "workflow_runs_ended"),
    *("schedules", "schedules_due", "schedules_planned", "schedule_log", "scheduler"),
    *("following", "followers", "followed"),
    *("notifications", "notification_log", "notifier", "notices", "job_notices"),
)
#: Streams that an agent's user may add to, or that scripts of all processes add to: none may be left without a next id.
NOTICES = ("notices", "job_notices")
STREAMS = ("events", *NOTICES)
#: The arguments of ``create_jobs.lua`` for each job, before the job's own fields (``model/job_fields.py``).
CREATE_ARGUMENTS = (
    *("id", "document", "kind", "idempotent", "idempotency_key"),
    *("digest", "only", "seal", "entry", "entry_seal", "fire"),
)
_JOB = (*CREATE_ARGUMENTS, *(field.name for field in ARGUMENTS))
#: A job's arguments from the place ``first`` on. Lua makes room for all of its fields at once, unlike in a loop.
_JOB_RECORD = f"{{{', '.join(f'{name} = ARGV[first + {place}]' for place, name in enumerate(_JOB))}}}"
#: Hosts of a job that one call creates and opens; the hosts of a larger one are staged first.
LARGE_JOB = 500
#: Field `fanout` of a broadcast, whose hosts have indexes of their own (``lua/include/index.lua``).
FANNED_OUT = "2"
#: Seconds for which a damaged key is retained.
SPOILED_SECONDS = 7 * 86_400

#: Verbs that wait for no other call of an agent: those that keep it and its executions alive.
_URGENT = frozenset({"renew", "heartbeat"})

_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)
#: A function that a script or an include defines.
_FUNCTION = re.compile(r"^local function (\w+)\(", re.MULTILINE)
_WORD = re.compile(r"\w+")
#: A line that is a comment.
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
#: Functions that are built when one of them is called: their names, and the includes that they consist of.
_DEFERRED = re.compile(r"([\w|]+)<([\w,]+)>")
#: Functions of the guard for types of keys, and those that only a repair needs where a script uses none of them.
_KEY_TYPES = frozenset({"type_of", "need", "is_sound", "begin_stream"})
_TYPE_FUNCTION = re.compile(r"^local function (?:type_of|begin_stream)\(.*?^end\n", re.MULTILINE | re.DOTALL)
#: The counts of these states, as fields of a job: by the word that scripts write in place of them.
_COUNTED = {
    "COUNT_FIELDS": tuple(ExecutionState),
    "UNFINISHED_FIELDS": tuple(state for state in ExecutionState if state not in FINAL_STATES),
    "FINAL_FIELDS": tuple(state for state in ExecutionState if state in FINAL_STATES),
}
Argument = str | int | float | bytes

#: The time in microseconds, as passed to the scripts; '' selects Redis' own. Tests pass a clock that they control.
Clock = Callable[[], str]


def redis_clock() -> str:
    """Redis' own clock, so that all share one."""
    return ""


def time_of(clock: Clock, scripts: Scripts) -> int:
    """The time of a clock, in microseconds. Raises ``LedgerUnavailable``."""
    if fixed := clock():
        return int(fixed)
    seconds, micros = scripts.command("TIME")
    return int(seconds) * 1_000_000 + int(micros)


_LUA = files("jobqueue.ledger") / "lua"
_INCLUDES = "include"


def _verb_files() -> dict[str, str]:
    """Verb -> its file below ``lua/``: one folder per noun, one file per verb."""
    folders = [folder for folder in _LUA.iterdir() if folder.is_dir() and folder.name != _INCLUDES]
    return {
        file.name.removesuffix(".lua"): f"{folder.name}/{file.name}"
        for folder in sorted(folders, key=lambda folder: folder.name)
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".lua")
    }


_FILES = _verb_files()
#: Every verb of the ledger.
VERBS = tuple(_FILES)


def folder_of(verb: str) -> str:
    """The folder of a verb below ``lua/``: the noun that it works on."""
    return _FILES[verb].partition("/")[0]


def header_of(verb: str) -> str:
    """The source of a verb, which begins with its description, arguments and answers as comments."""
    return _text(_FILES[verb])


@cache
def _text(path: str) -> str:
    return (_LUA / path).read_text("utf-8")


def _lua_set(values: Iterable[str]) -> str:
    return "{" + ", ".join(f"{value} = true" for value in sorted(values)) + "}"


def _lua_list(values: Iterable[str]) -> str:
    return "{" + ", ".join(f"'{value}'" for value in values) + "}"


@cache
def _tables() -> dict[str, str]:
    """The model's tables as Lua source, by the name that scripts use."""
    allowed = ", ".join(f"{state} = {_lua_set(map(str, to))}" for state, to in TRANSITIONS.items())
    tables = {
        "STATES": _lua_list(map(str, ExecutionState)),
        "ALLOWED": f"{{{allowed}}}",
        "FINAL": _lua_set(map(str, FINAL_STATUSES)),
        "STATUSES": _lua_list(map(str, JobStatus)),
        "FINAL_STATES": _lua_set(map(str, FINAL_STATES)),
        "FAILURES": _lua_set(map(str, FAILURES)),
        "JOB_STORED": _lua_list(name for field in STORED for name in (field.name, field.stored)),
        "JOB_LISTED": _lua_list(field.stored for field in LISTED),
    }
    return {name: f"local {name} = {table}" for name, table in tables.items()} | {"bucket_of": _bucket_of()}


def _constants(large_job: int) -> dict[str, str]:
    """The model's texts and numbers as Lua source, by the word that scripts use. Tests change ``large_job``.

    They stand where they are used: giving a local variable to a function takes time with every call of the script.
    """
    moves = "".join(f" {state}>{to}" for state, targets in TRANSITIONS.items() for to in sorted(targets))
    return {
        "MOVES": f"'{moves} '",
        "FANNED_OUT": f"'{FANNED_OUT}'",
        "JOB_SIZE": str(len(_JOB)),
        "LARGE_JOB": str(large_job),
        "MOST_BATCHES": str(MAX_BATCHES),
        "KEPT_RESULTS": str(KEPT_RESULTS),
        "KEPT_NOTICES": f"'{KEPT_NOTICES}'",
    }


def _bucket_of() -> str:
    """A function that returns the number of a duration's bucket: building a table of them takes longer than this."""
    lines = [
        f"  if micros <= {int(seconds * 1_000_000)} then return '{number}' end"
        for number, seconds in enumerate(BUCKETS, 1)
    ]
    return "\n".join(["local function bucket_of(micros)", *lines, f"  return '{len(BUCKETS) + 1}'", "end\n"])


def source(verb: str, keys: Keys) -> str:
    """The complete Lua source of one verb."""
    text = _text(_FILES[verb])
    include = _INCLUDE.search(text)
    names = include.group(1).split() if include else []
    groups = [match[1].split("|") for match in map(_DEFERRED.fullmatch, names) if match]
    built = {name: _texts([name]) for name in names if not _DEFERRED.fullmatch(name)}
    at_once = _words("\n".join([*built.values(), text]))
    for name in names:
        deferred = _DEFERRED.fullmatch(name)
        if deferred:
            body = _texts(deferred[2].split(","))
            body = "\n".join([*_tables_of(_words(body) - at_once), body])
            built[name] = _deferred(deferred[1].split("|"), _calling_deferred(body, groups, deferred[1]))
        else:
            built[name] = _calling_deferred(built[name], groups)
    return complete("\n".join([*(built[name] for name in names), _calling_deferred(text, groups)]), keys, at_once)


def complete(code: str, keys: Keys, words: set[str] | None = None) -> str:
    """Lua code preceded by the guard, the keys and the model's tables among ``words`` (default: all that it uses)."""
    tables = _tables_of(_words(code) if words is None else words)
    for word, states in _COUNTED.items():
        code = code.replace(word, ", ".join(f"'n.{state}'" for state in states))
    code = code.replace("JOB_RECORD", _JOB_RECORD)
    for word, constant in _constants(LARGE_JOB).items():
        code = re.sub(rf"\b{word}\b", constant, code)
    code = _without_unused(_COMMENT.sub("", code))
    code = "\n".join([_guard(keys, _words(code)), *tables, code]).replace("redis.call", "redis_call")
    code = re.sub(r"\bK\.(\w+)", lambda kind: f"'{keys.kind(kind[1])}'", code)
    return _without_unused(code)


def _words(code: str) -> set[str]:
    return set(_WORD.findall(_COMMENT.sub("", code)))


def _tables_of(words: set[str]) -> list[str]:
    """The model's tables that the code with these words uses."""
    return [table for name, table in _tables().items() if name in words]


def _texts(includes: Iterable[str]) -> str:
    return "\n".join(_text(f"{_INCLUDES}/{name}.lua") for name in includes)


def _deferred(functions: list[str], body: str) -> str:
    """One function that builds those of ``body`` and calls the one of ``functions`` that its caller names.

    Building a function takes as long as some commands, also if it is never called; therefore one for all of them.
    """
    if len(functions) == 1:
        return f"local function {functions[0]}(...)\n{body}\nreturn {functions[0]}(...)\nend"
    table = ", ".join(f"{function} = {function}" for function in functions)
    return f"local function deferred_{functions[0]}(name, ...)\n{body}\nreturn ({{{table}}})[name](...)\nend"


def _calling_deferred(code: str, groups: Iterable[list[str]], own: str = "") -> str:
    """The code with calls of what ``_deferred`` makes in place of calls of its functions, except those of ``own``.

    Each of them takes arguments.
    """
    for functions in groups:
        if len(functions) > 1 and functions != own.split("|"):
            call = rf"\b({'|'.join(functions)})\("
            code = re.sub(call, rf"deferred_{functions[0]}('\1', ", code)
    return code


def _guard(keys: Keys, words: set[str]) -> str:
    """The preamble of a script with these words; see its file."""
    repairable = ", ".join(f"['{keys.kind(kind)}'] = '{KINDS[kind][1]}'" for kind in REPAIRABLE)
    names = ", ".join(f"{kind} = '{keys.kind(kind)}'" for kind in ("alerts", "stats", *STREAMS))
    spoiled = f"aside = '{keys.kind('spoiled')}', kind = '{RECORDS_ALTERED}', seconds = {SPOILED_SECONDS}"
    text = _COMMENT.sub("", _text(f"{_INCLUDES}/damage_guard.lua"))
    # inside the functions that need them, so that scripts build the tables only when they meet damage
    text = text.replace("pairs(REPAIRABLE)", f"pairs({{{repairable}}})").replace(
        "local function set_aside(key, what)\n",
        f"local function set_aside(key, what)\n  local SPOILED = {{{names}, {spoiled}}}\n",
    )
    for stream in STREAMS:
        text = text.replace(f"key == SPOILED.{stream}", f"key == '{keys.kind(stream)}'")
    if words.isdisjoint(_KEY_TYPES):
        functions = _TYPE_FUNCTION.findall(text)
        text = _TYPE_FUNCTION.sub("", text).replace("KEY_TYPES\n", "\n".join(functions))
    return text.replace("  KEY_TYPES\n", "").replace("KEPT_NOTICES", f"'{KEPT_NOTICES}'")


def _without_unused(code: str) -> str:
    """The code without the functions that nothing in it calls."""
    while True:
        words = Counter(_WORD.findall(code))
        names = [name for name in _FUNCTION.findall(code) if words[name] == 1]
        if not names:
            return code
        function = rf"^local function (?:{'|'.join(names)})\((?:[^\n]* end\n|.*?^end\n)"
        code = re.sub(function, "", code, flags=re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Script:
    """The source of a verb as Redis gets it, and the digest by which Redis knows it."""

    source: str
    sha: str

    @classmethod
    def of(cls, source: str) -> Script:
        return cls(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


@lru_cache(maxsize=1024)
def _script(verb: str, keys: Keys, _large_job: int) -> Script:
    """A verb's script. Assembling it takes milliseconds, and a process may open several ledgers."""
    return Script.of(source(verb, keys))


def _error(text: str) -> Exception:
    """An error that a script met and answers with; raises ``LedgerUnavailable`` if Redis refuses commands for now."""
    try:
        with translated_errors():
            raise ResponseError(text.removeprefix("ERR "))  # as redis-py does
    except LedgerUnavailable:
        raise
    except (JobQueueError, RedisError) as error:
        return error


class Scripts:
    """The ledger's verbs, callable on one Redis. Thread-safe, like the client."""

    def __init__(self, client: redis.Redis, keys: Keys, *, most_connections: int | None = None) -> None:
        """``most_connections``: of ``call`` and ``command``, at the same time; None: no limit."""
        self._client = client
        self._call = ScriptConnection(client, most=most_connections)
        self._keys = keys
        self._known: dict[str, Script] = {}

    def _of(self, verb: str) -> Script:
        """The script of a verb; assembled when it is first called, since an agent calls only some."""
        script = self._known.get(verb)
        if script is None:
            script = self._known[verb] = _script(verb, self._keys, LARGE_JOB)
        return script

    def load(self) -> None:
        """Load every script, also after a restart of Redis, for users who may only call them (Redis ACL)."""
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for verb in VERBS:
                pipe.script_load(self._of(verb).source)
            pipe.execute()

    def call(self, verb: str, *args: Argument) -> Any:
        """Call one verb; raises ``LedgerUnavailable`` when Redis cannot be reached."""
        with translated_errors():
            try:
                return self._call("EVALSHA", self._of(verb).sha, 0, *args, urgent=verb in _URGENT)
            except NoScriptError:
                return self._bring(verb, args)

    def command(self, *words: Argument, binary: bool = False) -> Any:
        """The answer to a command that is safe to repeat, on the scripts' own connections.

        ``binary``: the answer is bytes, not text. Raises ``LedgerUnavailable``.
        """
        with translated_errors():
            return self._call(*words, binary=binary)

    def missing(self) -> bool:
        """Whether Redis lacks a script: it was restarted, or another server took over. Raises ``LedgerUnavailable``."""
        with translated_errors():
            return not all(self._call("SCRIPT", "EXISTS", *(self._of(verb).sha for verb in VERBS)))

    def close(self) -> None:
        """Close the connections; the next call opens a new one."""
        self._call.close()

    def _bring(self, verb: str, args: tuple[Argument, ...]) -> Any:
        """Call a verb whose script is not loaded in Redis, and load it."""
        try:
            return self._call("EVAL", self._of(verb).source, 0, *args)
        except NoPermissionError as error:
            if not is_denied_loading(error):  # the script ran, and did something that our user may not do
                raise
            raise LedgerUnavailable(
                f"The script {verb!r} is not loaded in Redis, and this user may not load it: maintenance does, as "
                "soon as it runs and is of the same version."
            ) from error

    def call_each(self, verb: str, common: tuple[Argument, ...], calls: Sequence[tuple[Argument, ...]]) -> list[Any]:
        """The answers of a verb that does several things in one call, each apart (``lua/include/apart.lua``).

        ``common``: its arguments in front of those for each. One that meets a damaged record answers with its error.
        Raises ``LedgerUnavailable``; then all of them may be repeated.
        """
        answers = self.call(verb, *common, *chain.from_iterable(calls))
        return [_error(answer[1]) if answer[0] == "error" else answer for answer in answers]

    def call_many(self, verb: str, calls: list[tuple[Argument, ...]], *, are_apart: bool = False) -> list[Any]:
        """Call one verb many times in one round trip; each call is atomic, the batch is not.

        ``are_apart``: a call that fails on a record of the wrong type returns its error as its answer. Raises
        ``LedgerUnavailable``; then all calls may be repeated.
        """
        if not calls:
            return []
        sha = self._of(verb).sha
        with translated_errors():
            answers = self._call.together([("EVALSHA", sha, 0, *args) for args in calls])
            answers = [
                self._brought(verb, args) if isinstance(answer, NoScriptError) else answer
                for answer, args in zip(answers, calls, strict=True)
            ]
            for answer in answers:
                if isinstance(answer, (RedisError, JobQueueError)) and not (are_apart and _is_damage(answer)):
                    raise answer
        return answers

    def _brought(self, verb: str, args: tuple[Argument, ...]) -> Any:
        """The answer of a call whose script was not loaded, as after a restart of Redis; damage is returned."""
        try:
            return self.call(verb, *args)
        except RecordAltered as error:
            return error


def _is_damage(error: Exception) -> bool:
    """Whether a call met a record of the wrong type."""
    return isinstance(error, RecordAltered) or is_wrong_type(error)
