"""Targets: which agents a job is meant for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from jobqueue.errors import InvalidTarget

ANY = "_any"
ALL = "_all"
#: The slot of a job that no agent can run yet: it waits there until an agent has the resources that it needs.
UNPLACED = "_unplaced"
#: Slots of executions that no agent has claimed yet.
NO_HOST = frozenset({ANY, UNPLACED})

HOSTNAME_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
LABEL_KEY_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?"
LABEL_VALUE_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?"

_HOSTNAME = re.compile(HOSTNAME_PATTERN)
_LABEL_KEY = re.compile(LABEL_KEY_PATTERN)
_LABEL_VALUE = re.compile(LABEL_VALUE_PATTERN)


class TargetKind(Enum):
    ANY = "any"
    ALL = "all"
    HOST = "host"
    LABEL = "label"
    #: An expression, whose hosts the job lists; the ledger leaves out those that take no work.
    HOSTS = "hosts"
    #: A target whose hosts were planned; the ledger refuses the job unless all of them take work.
    PLANNED = "planned"


#: Names of facts, and of what else an agent reports: ``os.version:12`` is an expression, ``group:web`` a label.
REPORTED_NAMES = frozenset(
    (
        *(
            "hostname",
            "fqdn",
            "os",
            "kernel",
            "arch",
            "cpus",
            "memory",
            "disks",
            "addresses",
            "interfaces",
            "interface",
        ),
        *("address", "containerized", "service_mgr", "package_mgr", "python"),
        *("cpu", "machine", "virtualization", "timezone", "boot_time", "selinux", "apparmor"),
        *("state", "condition", "version", "label", "fact", "agent"),
    )
)
_JOB_VALUE = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?:\..*)?")


@dataclass(frozen=True)
class Target:
    """A parsed target. ``text`` is what the caller wrote; ``key``/``value`` are set for labels only.

    The ledger resolves a target itself, unless its kind is ``HOSTS``: an expression (``jobqueue/targets``), which the
    API evaluates; the job then lists the hosts.
    """

    kind: TargetKind
    text: str
    key: str = ""
    value: str = ""

    @property
    def is_broadcast(self) -> bool:
        """Whether the target may fan out to several agents."""
        return self.kind not in (TargetKind.ANY, TargetKind.HOST)

    @property
    def is_listed(self) -> bool:
        """Whether the job lists the hosts that it is for."""
        return self.kind in (TargetKind.HOSTS, TargetKind.PLANNED)

    @property
    def is_direct(self) -> bool:
        """Whether the ledger resolves it: not a label whose key could be a fact as well."""
        if self.kind is not TargetKind.LABEL:
            return not self.is_listed
        if self.key == "job":
            return not _JOB_VALUE.fullmatch(self.value)
        return self.key.partition(".")[0] not in REPORTED_NAMES

    def includes(self, hostname: str, labels: Mapping[str, str]) -> bool:
        """Whether the target names this agent, in any state. ``create_jobs.lua`` decides the same atomically.

        An expression includes every host: the job lists those that it names.
        """
        if self.kind is TargetKind.HOST:
            return hostname == self.text
        if self.kind is TargetKind.LABEL:
            return any(self.text in label_prefixes(key, value) for key, value in labels.items())
        return True

    @classmethod
    def parse(cls, text: str) -> Target:
        """Parse ``_any``, ``_all``, a hostname or ``key:value``; raises ``InvalidTarget``."""
        if text == ANY:
            return cls(TargetKind.ANY, text)
        if text == ALL:
            return cls(TargetKind.ALL, text)
        key, colon, value = text.partition(":")
        if colon:
            check_label(key, value)
            return cls(TargetKind.LABEL, text, key, value)
        if not _HOSTNAME.fullmatch(text):
            raise InvalidTarget(
                f"Target {text[:80]!r} is not well formed: use _any, _all, a hostname, or a label as key:value."
            )
        return cls(TargetKind.HOST, text)


def check_hostname(hostname: str) -> str:
    """Return ``hostname`` if an agent may carry it, else raise ``InvalidTarget``."""
    if not _HOSTNAME.fullmatch(hostname):
        raise InvalidTarget(
            f"Hostname {hostname[:80]!r} is not well formed: letters, digits, dots, dashes and underscores, "
            "at most 253, starting and ending with a letter or digit."
        )
    return hostname


def check_label(key: str, value: str) -> None:
    """Raise ``InvalidTarget`` unless ``key:value`` is a well-formed label."""
    if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
        raise InvalidTarget(
            f"Label {f'{key}:{value}'[:80]!r} is not well formed: key and value are letters, digits and . _ - / "
            "inside, such as group:web.dev."
        )


def label_prefixes(key: str, value: str) -> list[str]:
    """Every label target that matches an agent labelled ``key:value``.

    ``group:web.dev`` is matched by ``group:web`` and ``group:web.dev``.
    """
    parts = value.split(".")
    return [f"{key}:{'.'.join(parts[: n + 1])}" for n in range(len(parts))]
