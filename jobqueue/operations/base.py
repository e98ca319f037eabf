"""An operation: code that an agent can run, with its metadata."""

from __future__ import annotations

import functools
import inspect
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, TypeAlias, TypedDict, Unpack

import marshmallow

from jobqueue.errors import InvalidOperationData
from jobqueue.operations.context import Context
from jobqueue.operations.info import OperationInfo
from jobqueue.operations.parts import ReadParts
from jobqueue.operations.schema import MAX_PROBLEMS, Schema, flat_messages, json_schema
from jobqueue.operations.text import brief
from jobqueue.schema_fast_path import SchemaFastPath
from jobqueue.settings import Settings
from jobqueue.unknown_fields import many_unknown

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)+")
_PERMISSION = re.compile(r"[A-Za-z][A-Za-z0-9_-]*:[A-Za-z][A-Za-z0-9_-]*")
_MAX_TYPE_LENGTH = 100
#: The permission for an operation that does not name its own.
DEFAULT_PERMISSION = "operation:execute"
#: Name under which operations without a plugin are listed.
BUILTIN = "jobqueue"

#: Languages of fields that are run as code.
SHELL, OTHER_CODE = "shell", "code"

#: Takes the validated data and the context; returns an ``Outcome`` or any JSON value.
Run = Callable[[dict[str, Any], Context], Any]


class PinPackages(Protocol):
    """Resolves what data names to content with a digest, for data that is about to be signed."""

    def __call__(self, names: Iterable[str], /) -> dict[str, str]:
        """The sha256 (hex) of each uploaded package. Raises ``InvalidInput`` for names that were not uploaded."""

    def object(self, name: str, version: int | None) -> dict[str, Any]:
        """A version of an object: version, sha256, content_type, package. Raises ``InvalidInput`` without it."""


#: The permissions that data needs besides that of its operation; the data may be a template, with values left out.
FurtherPermissions = Callable[[Mapping[str, Any]], tuple[str, ...]]
#: Completes the valid data of a submission before it is signed: signed data must be unambiguous.
Prepare = Callable[[dict[str, Any], PinPackages], dict[str, Any]]
#: The title of a job with this data whose caller gave none; None: that of its command.
Title = Callable[[Mapping[str, Any]], str | None]
#: A sentence that says what an agent with these settings lacks to run an operation; None if it lacks nothing.
Lacks = Callable[[Settings], str | None]


SchemaClass: TypeAlias = type[marshmallow.Schema]


class Empty(Schema):
    """Schema of an operation without data."""


@dataclass(frozen=True)
class Operation:
    """One operation. Calling it runs the bare function, without validation (handy in tests).

    ``isolated``: it runs in a child process of its own and can therefore be killed at its timeout. ``takes_facts``:
    ``@fact.X`` in its data is replaced on the agent. ``extra``: the extra of jobqueue without which it is not offered.
    ``only_starts_processes``: it does all its work in processes that it starts, so their user is the only one that
    counts. ``needs_agent_user``: it uses what belongs to the agent, and cannot run as another user. ``positional``: the
    field of the data that takes the words after ``--`` on a command line. ``code``: which fields of the data are run as
    code (with dots for inner ones), and in which language (``SHELL`` or ``OTHER_CODE``): saved jobs let no parameter
    become a part of it unquoted, and no value of another step becomes one. ``prepare`` completes submitted data.
    ``lacks``: agents for which it gives a sentence do not offer it. ``further_permissions``: what the data of a
    submission needs besides ``permission``. ``sends_files``: its results list files that it has sent
    (``jobqueue/model/fetched_file.py``). ``parts``: it runs the operations that its data holds
    (``jobqueue/operations/parts.py``). Their permissions, the host's policy and pauses count as if each came alone, so
    it has none of its own to give; facts and secrets are filled in for each. ``title`` gives jobs a title.
    """

    type: str
    run: Run
    schema: SchemaClass = Empty
    summary: str = ""
    changes: bool = False
    idempotent: bool = True
    permission: str = DEFAULT_PERMISSION
    plugin: str = BUILTIN
    isolated: bool = False
    takes_facts: bool = True
    extra: str | None = None
    only_starts_processes: bool = False
    needs_agent_user: bool = False
    positional: str | None = None
    code: Mapping[str, str] = field(default_factory=dict, hash=False)
    prepare: Prepare | None = None
    lacks: Lacks | None = None
    further_permissions: FurtherPermissions | None = None
    sends_files: bool = False
    parts: ReadParts | None = None
    title: Title | None = None

    def __post_init__(self) -> None:
        if len(self.type) > _MAX_TYPE_LENGTH or not _TYPE.fullmatch(self.type):
            raise ValueError(f"Operation type {self.type[:80]!r} must be words joined by dots, such as disk.usage.get.")
        if not _PERMISSION.fullmatch(self.permission):
            raise ValueError(f"Permission {self.permission!r} of {self.type} must be resource:verb.")
        if not _is_schema_class(self.schema):
            raise ValueError(f"The schema of {self.type} must be a Schema class, not {self.schema!r}.")

    @functools.cached_property
    def _loader(self) -> marshmallow.Schema:
        """Kept, since building a schema costs more than most loads; an agent uses few of its operations."""
        return self.schema()

    @functools.cached_property
    def _quick(self) -> SchemaFastPath:
        return SchemaFastPath(self._loader)

    def __call__(self, data: dict[str, Any], context: Context) -> Any:
        return self.run(data, context)

    def load(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The data as the function receives it, with defaults.

        Raises ``InvalidOperationData``, its details ``{field: [messages]}`` with dotted names for inner fields.
        """
        fields_given = dict(data)
        quick = self._quick.load(fields_given)
        if quick is not None:
            return quick
        self._refuse_many_unknown(fields_given)
        try:
            loaded: dict[str, Any] = self._loader.load(fields_given)
        except marshmallow.ValidationError as error:
            raise invalid_data(self.type, flat_messages(error.messages)) from None
        return loaded

    def accepts(self, data: Mapping[str, Any], unchecked: Collection[str] = ()) -> bool | None:
        """Whether ``load`` accepts the data, apart from the ``unchecked`` fields; None: only ``load`` can say."""
        if self._quick.load(dict(data), unchecked) is not None:
            return True
        return False if self._quick.is_exact else None

    def _refuse_many_unknown(self, data: Mapping[str, Any]) -> None:
        unknown = many_unknown(self._loader, data, MAX_PROBLEMS)
        if unknown:
            problem = f"Unknown field; the known ones are {', '.join(unknown.known) or 'none'}."
            names = (".".join(map(str, (*unknown.way, name))) for name in unknown.names)
            raise invalid_data(self.type, {name: [problem] for name in names}, unknown.count)

    @property
    def field_names(self) -> frozenset[str]:
        """The names of the fields that the data may have."""
        return frozenset(attribute.data_key or key for key, attribute in self._loader.load_fields.items())

    def command_line(self, data: Mapping[str, Any]) -> str | None:
        """The positional field of ``data`` as one line for a person; None without one."""
        words = data.get(self.positional) if self.positional else None
        if isinstance(words, list):
            return shlex.join(map(str, words))
        return words if isinstance(words, str) else None

    def info(self) -> OperationInfo:
        """The entry in the catalogue."""
        return OperationInfo(
            self.type,
            self.summary,
            json_schema(self.schema),
            self.changes,
            self.idempotent,
            self.permission,
            self.plugin,
            self.positional,
        )


class Traits(TypedDict, total=False):
    """Optional keyword arguments of ``@operation``: the fields of ``Operation`` with these names."""

    schema: SchemaClass
    changes: bool
    permission: str
    isolated: bool
    takes_facts: bool
    extra: str | None
    only_starts_processes: bool
    needs_agent_user: bool
    positional: str | None
    code: Mapping[str, str]
    prepare: Prepare | None
    lacks: Lacks | None
    further_permissions: FurtherPermissions | None
    sends_files: bool
    parts: ReadParts | None
    title: Title | None


def operation(
    type: str, *, summary: str | None = None, idempotent: bool | None = None, **traits: Unpack[Traits]
) -> Callable[[Run], Operation]:
    """Make a function of ``(data, context)`` an operation.

    ``summary`` defaults to the first line of the docstring. ``changes``: it may change the host. ``idempotent``
    defaults to ``not changes``; only an idempotent operation is run again when an agent died in the middle.
    ``permission`` is what a caller needs to submit it. ``isolated`` runs it in a child process that is killed at the
    job's timeout or on cancel; otherwise it runs in a thread of the agent and should be quick, or call
    ``context.check()`` now and then. ``takes_facts=False`` leaves ``@fact.X`` in the data as it is, where that
    is code of the caller's. ``extra`` names the extra of jobqueue that it needs; where that is not installed, the
    operation is not offered. ``Operation`` describes the other ``traits``.
    """

    def decorate(function: Run) -> Operation:
        name = getattr(function, "__qualname__", "")
        if traits.get("isolated") and "." in name:
            raise ValueError(f"{type} is isolated, so {name} must be defined at the top level of its module.")
        doc = inspect.getdoc(function) or ""
        return Operation(
            type=type,
            run=function,
            summary=summary if summary is not None else doc.partition("\n")[0],
            idempotent=not traits.get("changes") if idempotent is None else idempotent,
            **traits,
        )

    return decorate


def _is_schema_class(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, marshmallow.Schema)


def invalid_data(type: str, messages: Mapping[str, list[str]], count: int | None = None) -> InvalidOperationData:
    """The error for data that violates a schema; its message names at most three fields.

    ``count``: how many problems there are, if ``messages`` does not hold all of them.
    """
    first = islice(messages.items(), MAX_PROBLEMS)
    details = {brief(name, 200): [brief(text, 500) for text in texts] for name, texts in first}
    shown = [
        f"{name}: {_joined_messages(texts)}" if name else _joined_messages(texts)
        for name, texts in list(details.items())[:3]
    ]
    left = (len(messages) if count is None else count) - len(shown)
    more = f" (and {left} more)" if left > 0 else ""
    sentence = f"The data does not fit {type}: {'; '.join(shown)}{more}"
    return InvalidOperationData(sentence if sentence.endswith("?") else f"{sentence}.", details)


def _joined_messages(texts: Sequence[str]) -> str:
    """Join sentences into a part of a sentence."""
    return " ".join(texts).rstrip(".")
