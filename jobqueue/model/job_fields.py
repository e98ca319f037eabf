"""The fields of a job that its caller sets, each defined once.

``JobFields`` is the table. Derived from it: ``Submission`` and ``Job``, which inherit it; the document that the API
signs; the arguments of ``create_jobs.lua``; the fields of the job's hash and of its summary; the decoder of records;
the requests and answers of the native API; the fields that a retry keeps, and those of a saved job; and the table in
``docs/ledger.md``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field
from enum import Enum
from operator import attrgetter
from typing import Any

from jobqueue.model.concurrency import Concurrency
from jobqueue.model.needs import Needs
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout
from jobqueue.model.target import ANY

DEFAULT_PRIORITY = 4
MAX_TITLE = 200
MAX_DESCRIPTION = 2000
MAX_TIMEOUT_SECONDS = 366 * 86_400
MAX_TAGS = 64
MAX_TAG_KEY = 64
MAX_TAG_VALUE = 256

_TABLE = "job field"


class Kind(Enum):
    """The type of a value, which determines how it is encoded, decoded and shown."""

    TEXT = "text"
    NUMBER = "number"
    DIGIT = "number from 0 to 9"
    TIME = "time"
    TEXTS = "list of strings"
    PAIRS = "object of strings"
    OBJECT = "object"
    POLICY = "retry policy"
    NEEDS = "needs of a host"
    ROLLOUT = "terms of a rollout"
    CONCURRENCY = "terms of a concurrency key"


@dataclass(frozen=True)
class JobField:
    """Where one field of a job is set, stored and shown.

    ``is_signed``: the field is in the document that the API signs. ``stored``: its name in the job's hash; empty if it
    is not stored there (the names are those of the first version, so that its records stay readable). ``is_argument``:
    ``create_jobs.lua`` needs it. ``is_listed``: lists show it without reading the document. ``is_shown``: the native
    API returns it, as ``shown_as``. ``is_indexed``: jobs can be searched by it. ``is_renewed``: a retry keeps it.

    ``is_requested``: a request to the native API may set it, to a number or a length of at most ``most``.
    ``request_text`` and ``answer_text`` describe it there.
    """

    kind: Kind
    meaning: str
    name: str = ""
    default: Any = None
    is_required: bool = False
    is_signed: bool = True
    stored: str = ""
    is_argument: bool = False
    is_listed: bool = False
    is_shown: bool = True
    shown_as: str = ""
    is_indexed: bool = False
    is_renewed: bool = True
    is_requested: bool = False
    most: int = 0
    request_text: str = ""
    answer_text: str = ""

    @property
    def is_saved(self) -> bool:
        """Whether a saved job has it: what a caller sets for all runs."""
        return self.is_required or (self.is_requested and self.is_renewed)

    def document_value(self, value: Any) -> Any:
        """The value in JSON form."""
        if self.kind is Kind.POLICY:
            return value and asdict(value)
        if self.kind in (Kind.NEEDS, Kind.ROLLOUT, Kind.CONCURRENCY):
            return value and value.document()
        if self.kind is Kind.TEXTS:
            return list(value)
        if self.kind in (Kind.PAIRS, Kind.OBJECT):
            return value if value is None else dict(value)
        return value

    def argument_value(self, value: Any) -> str | int:
        """The value as an argument of ``create_jobs.lua``; empty if unset."""
        if value is None:
            return ""
        if self.kind is Kind.TEXTS:
            return "\n".join(value)
        if self.kind is Kind.PAIRS:
            return "\n".join(f"{key}:{text}" for key, text in value.items())
        if self.kind is Kind.POLICY:  # the scripts parse the first number
            return f"{value.max_attempts}|{value.backoff_seconds}|{value.backoff_max_seconds}|{value.jitter}"
        if self.kind in (Kind.ROLLOUT, Kind.CONCURRENCY):
            return str(value.argument())
        if self.kind is Kind.OBJECT:  # the scripts look whether there is one
            return "1"
        return value if isinstance(value, int) else str(value)


def _about(kind: Kind, meaning: str, **more: Any) -> dict[str, JobField]:
    return {_TABLE: JobField(kind, meaning, **more)}


@dataclass(frozen=True)
class JobFields:
    """The fields of a job that its caller sets. Times are microseconds since the epoch.

    ``groups`` are the lists that include the job (``JobFilter.group``). No request sets them, so unlike tags they can
    be trusted. At most one unfinished job holds the name ``exclusive``.
    """

    operation: str = field(
        metadata=_about(
            Kind.TEXT,
            "type of the operation",
            is_required=True,
            stored="op",
            is_listed=True,
            is_indexed=True,
            is_shown=False,
        )
    )
    data: Mapping[str, Any] = field(
        default_factory=dict, metadata=_about(Kind.OBJECT, "data of the operation", is_required=True, is_shown=False)
    )
    target: str = field(
        default=ANY,
        metadata=_about(
            Kind.TEXT,
            "the agents that the job is for",
            is_required=True,
            stored="target",
            is_listed=True,
            is_indexed=True,
            shown_as="target_hostname",
        ),
    )
    title: str | None = field(
        default=None,
        metadata=_about(
            Kind.TEXT,
            "the caller's title, for lists",
            stored="title",
            is_listed=True,
            is_requested=True,
            most=MAX_TITLE,
            request_text="A title, for lists of jobs. Default: the first line of the command.",
            answer_text="The caller's title.",
        ),
    )
    description: str | None = field(
        default=None,
        metadata=_about(
            Kind.TEXT,
            "the caller's description",
            is_requested=True,
            most=MAX_DESCRIPTION,
            request_text="The purpose of the job.",
            answer_text="The caller's description.",
        ),
    )
    timeout_seconds: float | None = field(
        default=None,
        metadata=_about(
            Kind.NUMBER,
            "how long one run may take",
            is_requested=True,
            most=MAX_TIMEOUT_SECONDS,
            request_text="Maximum duration of one run.",
        ),
    )
    not_before: int | None = field(
        default=None,
        metadata=_about(
            Kind.TIME,
            "no execution starts before this time",
            is_argument=True,
            is_renewed=False,
            is_requested=True,
            request_text="The job does not start before this time. UTC if it has no zone.",
        ),
    )
    expires_at: int | None = field(
        default=None,
        metadata=_about(
            Kind.TIME,
            "executions that have not started by this time expire",
            stored="expires",
            is_renewed=False,
            is_requested=True,
            request_text="An execution that has not started by this time expires. UTC if it has no zone.",
        ),
    )
    retries: RetryPolicy | None = field(
        default=None,
        metadata=_about(Kind.POLICY, "when a failed execution runs again", stored="retry", is_requested=True),
    )
    priority: int = field(
        default=DEFAULT_PRIORITY,
        metadata=_about(
            Kind.DIGIT,
            "a higher one runs first",
            stored="prio",
            is_signed=False,
            is_requested=True,
            request_text="0 to 9, higher runs first.",
        ),
    )
    tags: Mapping[str, str] = field(
        default_factory=dict,
        metadata=_about(
            Kind.PAIRS,
            "the caller's tags",
            stored="tags",
            is_indexed=True,
            is_requested=True,
            request_text=f"At most {MAX_TAGS}; keys of at most {MAX_TAG_KEY} and values of at most {MAX_TAG_VALUE} "
            "characters.",
        ),
    )
    origin: str = field(
        default="native",
        metadata=_about(
            Kind.TEXT, "the API that the job came through", answer_text="The API that the job came through."
        ),
    )
    submitted_by: str = field(default="", metadata=_about(Kind.TEXT, "name of the principal", is_renewed=False))
    alias: str | None = field(
        default=None,
        metadata=_about(
            Kind.TEXT,
            "the caller's own name for the job, unique",
            stored="alias",
            is_listed=True,
            is_renewed=False,
            answer_text="The caller's own name for the job.",
        ),
    )
    exclusive: str | None = field(
        default=None,
        metadata=_about(
            Kind.TEXT, "a name that one job holds at a time", stored="exclusive", is_shown=False, is_renewed=False
        ),
    )
    among: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            Kind.TEXTS,
            "hostnames that the job is kept to, such as those that an expression named; empty: all",
            is_shown=False,
        ),
    )
    needs: Needs | None = field(
        default=None,
        metadata=_about(
            Kind.NEEDS, "what a host must have, if no agent had it when the job was accepted", is_shown=False
        ),
    )
    groups: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            Kind.TEXTS,
            "lists that the service puts the job on",
            stored="groups",
            is_indexed=True,
            is_shown=False,
            is_renewed=False,
        ),
    )
    request: Mapping[str, Any] | None = field(
        default=None,
        metadata=_about(Kind.OBJECT, "the request in the words of the API that it came through", is_shown=False),
    )
    rollout: Rollout | None = field(
        default=None,
        metadata=_about(
            Kind.ROLLOUT,
            "runs on the hosts in batches, and when to stop",
            is_argument=True,
            is_shown=False,
            is_requested=True,
        ),
    )
    concurrency: Concurrency | None = field(
        default=None,
        metadata=_about(
            Kind.CONCURRENCY,
            "key that limits how many jobs or executions run at a time",
            stored="conc",
            is_requested=True,
            answer_text="Its concurrency key, without defaults.",
        ),
    )
    inner_operations: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            Kind.TEXTS,
            "types of the operations within its data, for pauses and for the choice of agents",
            stored="ops",
            is_indexed=True,
            is_shown=False,
            is_renewed=False,
        ),
    )
    saved: Mapping[str, Any] | None = field(
        default=None,
        metadata=_about(
            Kind.OBJECT,
            "name and version of the saved job that this one was made from",
            answer_text='The saved job that it was made from, as {"name", "version"}.',
        ),
    )
    approval: Mapping[str, Any] | None = field(
        default=None,
        metadata=_about(
            Kind.OBJECT,
            "why its first batch waits for an approval by another principal, the hash of its plan, and who asked",
            is_argument=True,
            is_renewed=False,
            answer_text="Set if the job exceeds a limit of its submitter's grants.",
        ),
    )
    retry_of: str | None = field(
        default=None,
        metadata=_about(Kind.TEXT, "id of the job that this one retries", is_argument=True, is_renewed=False),
    )


def _described(item: dataclasses.Field[Any]) -> JobField:
    about: JobField = item.metadata[_TABLE]
    default = item.default_factory() if item.default_factory is not MISSING else item.default
    return dataclasses.replace(about, name=item.name, default=default, shown_as=about.shown_as or item.name)


#: The table, in the order of the fields.
FIELDS: tuple[JobField, ...] = tuple(_described(field) for field in dataclasses.fields(JobFields))
SIGNED = tuple(field for field in FIELDS if field.is_signed)
STORED = tuple(field for field in FIELDS if field.stored)
ARGUMENTS = tuple(field for field in FIELDS if field.stored or field.is_argument)
LISTED = tuple(field for field in FIELDS if field.is_listed)
SHOWN = tuple(field for field in FIELDS if field.is_shown)
REQUESTED = tuple(field for field in FIELDS if field.is_requested)
SAVED = tuple(field for field in FIELDS if field.is_saved)
RENEWED = tuple(field for field in FIELDS if field.is_renewed)


_argument_values = attrgetter(*(field.name for field in ARGUMENTS))
_argument_encoders = tuple(field.argument_value for field in ARGUMENTS)


def arguments_of(job: JobFields) -> list[str | int]:
    """The fields that ``create_jobs.lua`` takes, in its order; empty if unset, which most are."""
    return [
        "" if value is None else value if type(value) is str else encoded(value)
        for encoded, value in zip(_argument_encoders, _argument_values(job), strict=True)
    ]


_signed_values = attrgetter(*(field.name for field in SIGNED))
_signed_parts = tuple((field.name, field.is_required, field.default, field.document_value) for field in SIGNED)


def document_of(job: JobFields) -> dict[str, Any]:
    """The part of the job that is signed and stored. Fields with default values are omitted: most jobs are small."""
    return {
        name: encoded(value)
        for (name, is_required, default, encoded), value in zip(_signed_parts, _signed_values(job), strict=True)
        if is_required or (value is not default and value != default)
    }
