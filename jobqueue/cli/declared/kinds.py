"""The kinds of records that can be declared in files, and how each is read, compared, stored and deleted."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jobqueue.client import Client
from jobqueue.client.saved import body_of
from jobqueue.client.workflows import workflow_body

#: A stored target in an expression; the API decides what is one.
_REFERENCE = re.compile(r"@([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")


@dataclass(frozen=True)
class Comparison:
    """``change`` is created, changed or unchanged; ``changes`` are the fields that differ, as the API lists them.
    ``version`` is that of the stored record, for kinds that have versions.
    """

    change: str
    changes: tuple[Mapping[str, Any], ...]
    version: int | None = None

    @property
    def manager(self) -> str:
        """Who manages the stored record, if that is another manager than the one that declares it."""
        before = [change["before"] for change in self.changes if change["field"] == "managed_by"]
        return str(before[0] or "") if before else ""


#: All declared names by the name of their kind.
Declared = Mapping[str, frozenset[str]]


class Kind(ABC):
    """One kind. Methods raise the errors of the client."""

    name: ClassVar[str]
    #: Whether its records may use each other.
    has_order: ClassVar[bool]

    @abstractmethod
    def compare(self, client: Client, name: str, body: Mapping[str, Any], declared: Declared) -> Comparison:
        """What storing the body would change; nothing is stored."""

    def uses(self, body: Mapping[str, Any]) -> frozenset[str]:  # noqa: ARG002 (a kind may need it)
        """The names of records of this kind that must be stored before this one, and deleted after it."""
        return frozenset()

    @abstractmethod
    def store(self, client: Client, name: str, body: Mapping[str, Any], comparison: Comparison) -> None:
        """Store the body, if the record is still as it was compared."""

    @abstractmethod
    def delete(self, client: Client, name: str) -> None:
        """Delete the record."""

    @abstractmethod
    def stored(self, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and body of every stored record."""


class SavedJobs(Kind):
    """Saved jobs: the body is that of ``PUT /saved/{name}``."""

    name = "saved-job"
    has_order = False

    def compare(
        self,
        client: Client,
        name: str,
        body: Mapping[str, Any],
        declared: Declared,  # noqa: ARG002
    ) -> Comparison:
        answer = client.saved.put(name, body, dry_run=True)
        new = int(answer["saved"]["version"])
        before = new if answer["change"] == "unchanged" else new - 1
        return Comparison(answer["change"], tuple(answer["changes"]), before)

    def store(self, client: Client, name: str, body: Mapping[str, Any], comparison: Comparison) -> None:
        client.saved.put(name, body, version=comparison.version)

    def delete(self, client: Client, name: str) -> None:
        client.saved.delete(name)

    def stored(self, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
        for saved in client.saved.list():
            yield saved["name"], body_of(saved)


class Workflows(Kind):
    """Workflows: the body is that of ``PUT /workflow/{name}``."""

    name = "workflow"
    has_order = False

    def compare(self, client: Client, name: str, body: Mapping[str, Any], declared: Declared) -> Comparison:
        nodes = body.get("nodes")
        named = (
            {str(node.get("saved")) for node in nodes if isinstance(node, Mapping)} if isinstance(nodes, list) else ()
        )
        is_assumed = not declared[SavedJobs.name].isdisjoint(named)
        answer = client.workflows.put(name, body, dry_run=True, assume=is_assumed)
        new = int(answer["workflow"]["version"])
        before = new if answer["change"] == "unchanged" else new - 1
        return Comparison(answer["change"], tuple(answer["changes"]), before)

    def store(self, client: Client, name: str, body: Mapping[str, Any], comparison: Comparison) -> None:
        client.workflows.put(name, body, version=comparison.version)

    def delete(self, client: Client, name: str) -> None:
        client.workflows.delete(name)

    def stored(self, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
        for workflow in client.workflows.list():
            yield workflow["name"], workflow_body(workflow)


class Targets(Kind):
    """Stored targets: the body is that of ``PUT /target/{name}``."""

    name = "target"
    has_order = True
    _FIELDS = ("target", "description", "managed_by")

    def uses(self, body: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(_REFERENCE.findall(str(body.get("target"))))

    def compare(self, client: Client, name: str, body: Mapping[str, Any], declared: Declared) -> Comparison:
        assumed = sorted(self.uses(body) & declared[self.name])
        answer = client.put_target(name, body, dry_run=True, assume=assumed)
        return Comparison(answer["change"], tuple(answer["changes"]))

    def store(self, client: Client, name: str, body: Mapping[str, Any], comparison: Comparison) -> None:  # noqa: ARG002
        client.put_target(name, body)

    def delete(self, client: Client, name: str) -> None:
        client.delete_target(name)

    def stored(self, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
        for target in client.targets()["targets"]:
            yield target["name"], {field: target[field] for field in self._FIELDS if target.get(field)}


class Schedules(Kind):
    """Schedules: the body is that of ``PUT /schedule/{name}``."""

    name = "schedule"
    has_order = False
    #: Fields that a caller sets, in the order of an export, and the values that say nothing.
    _FIELDS: Mapping[str, Any] = {
        **dict.fromkeys(("description", "cron", "every", "at", "rrule", "after")),
        "time_zone": "UTC",
        **dict.fromkeys(("anchor", "starts", "ends")),
        "jitter": "0s",
        "blackouts": [],
        "job": None,
        "overlap": "skip",
        "catch_up": "0s",
        "expires_after": None,
        "managed_by": None,
    }

    def compare(self, client: Client, name: str, body: Mapping[str, Any], declared: Declared) -> Comparison:
        answer = client.put_schedule(name, body, dry_run=True, assume=_uses_declared(body, declared))
        return Comparison(answer["change"], tuple(answer["changes"]))

    def store(self, client: Client, name: str, body: Mapping[str, Any], comparison: Comparison) -> None:  # noqa: ARG002
        client.put_schedule(name, body)

    def delete(self, client: Client, name: str) -> None:
        client.delete_schedule(name)

    def stored(self, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
        for schedule in client.iter_schedules():
            yield schedule["name"], _declared_body(schedule, self._FIELDS)


class Notifications(Kind):
    """Notification rules: the body is that of ``PUT /notification/{name}``."""

    name = "notification"
    has_order = False
    #: Fields that a caller sets, in the order of an export, and the values that say nothing.
    _FIELDS: Mapping[str, Any] = {
        "description": None,
        "events": None,
        "filter": {},
        "channel": None,
        "group": "0s",
        "quiet_hours": [],
        "time_zone": "UTC",
        "managed_by": None,
    }

    def compare(
        self,
        client: Client,
        name: str,
        body: Mapping[str, Any],
        declared: Declared,  # noqa: ARG002
    ) -> Comparison:
        answer = client.notifications.put(name, body, dry_run=True)
        return Comparison(answer["change"], tuple(answer["changes"]))

    def store(self, client: Client, name: str, body: Mapping[str, Any], comparison: Comparison) -> None:  # noqa: ARG002
        client.notifications.put(name, body)

    def delete(self, client: Client, name: str) -> None:
        client.notifications.delete(name)

    def stored(self, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
        for rule in client.notifications.list():
            yield rule["name"], _declared_body(rule, self._FIELDS)


def _declared_body(record: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a caller sets, in the order of ``defaults``, without those that have their default."""
    fields = {field: record.get(field) for field in defaults}
    body = {field: value for field, value in fields.items() if value not in (None, "", defaults[field])}
    if record.get("pause"):  # a record that is restored from the file must not begin to work at once
        body["paused"] = record["pause"].get("reason") or "paused"
    return body


def _uses_declared(body: Mapping[str, Any], declared: Declared) -> bool:
    """Whether a schedule names a saved job or a target that the files declare, and that may not be stored yet."""
    job, after = body.get("job"), body.get("after")
    if isinstance(after, Mapping) and str(after.get("saved")) in declared[SavedJobs.name]:
        return True
    if not isinstance(job, Mapping):
        return False
    targets = frozenset(_REFERENCE.findall(f"{job.get('target_hostname')} {job.get('target')}"))
    if str(job.get("workflow")) in declared[Workflows.name]:
        return True
    saved = frozenset((str(job.get("saved")),))
    return bool(saved & declared[SavedJobs.name] or targets & declared[Targets.name])


#: In the order in which they are stored: a saved job may use a target, a workflow and a schedule both. They are deleted
#: in the opposite order.
KINDS: tuple[Kind, ...] = (Targets(), SavedJobs(), Workflows(), Schedules(), Notifications())
BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
