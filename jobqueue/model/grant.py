"""Grants: a permission, on which hosts it holds, and how many hosts it may reach without an approval."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from jobqueue.errors import InvalidInput

#: Grants everything.
EVERYTHING = "*"
#: Separates a permission from the target on whose hosts it holds.
_AT = "@"
#: Maximum length of the text of a grant.
MAX_GRANT = 1024
_PERMISSION = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}:([A-Za-z][A-Za-z0-9_-]{0,63}|\*)")
#: The limits at the end of a grant. A target may contain a semicolon in quotation marks only, and never ends like this.
_LIMITS = re.compile(
    r"(?:;max_hosts=(?P<job>[0-9]{1,7}(?:\.[0-9]{1,3})?%?))?(?:;max_hosts_per_hour=(?P<hour>[0-9]{1,9}))?"
)
_LIMIT = re.compile(r";(max_hosts(?:_per_hour)?)=([^;@\"']*)$")
#: Permissions that concern the whole system, so no target can narrow them.
UNSCOPED = frozenset(
    {
        "metrics:read",
        "audit:read",
        "target:write",
        "alert:write",
        "alert:*",
        "saved:read",
        "saved:write",
        "saved:run",
        "saved:*",
        "schedule:read",
        "schedule:write",
        "schedule:*",
        "notification:read",
        "notification:write",
        "notification:*",
        "key:read",
        "key:write",
        "key:*",
        "audit:*",
    }
)
#: Permissions that do not concern jobs, so no limit on the hosts of a job can narrow them.
UNLIMITED = frozenset({"pause:write", "pause:*"})
_WHOLE = 100.0


@dataclass(frozen=True)
class HostLimit:
    """The most hosts of one job without an approval: a number, or a share of the agents in percent."""

    amount: float
    is_percent: bool = False

    def of(self, fleet: int) -> int:
        """The number of hosts for a fleet of this size, rounded down; at least 1."""
        return max(1, int(self.amount * fleet / _WHOLE)) if self.is_percent else int(self.amount)

    def __str__(self) -> str:
        return f"{self.amount:.15g}{'%' if self.is_percent else ''}"


@dataclass(frozen=True)
class Grant:
    """``permission`` is ``resource:verb``, ``resource:*`` or ``*``. Without a ``target``, it holds on every host.

    A job on more hosts than ``max_hosts``, or with which its submitter would exceed ``max_hosts_per_hour``, waits for
    an approval.
    """

    permission: str
    target: str | None = None
    max_hosts: HostLimit | None = None
    max_hosts_per_hour: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it holds on every host, without limits."""
        return self.target is None and not self.has_limits

    @property
    def has_limits(self) -> bool:
        """Whether it limits how many hosts a job may reach."""
        return self.max_hosts is not None or self.max_hosts_per_hour is not None

    def covers(self, permission: str) -> bool:
        """Whether the grant is of this permission, or of a wider one."""
        return self.permission in (EVERYTHING, permission, f"{permission.partition(':')[0]}:{EVERYTHING}")

    def __str__(self) -> str:
        target = "" if self.target is None else f"{_AT}{self.target}"
        job = "" if self.max_hosts is None else f";max_hosts={self.max_hosts}"
        hour = "" if self.max_hosts_per_hour is None else f";max_hosts_per_hour={self.max_hosts_per_hour}"
        return f"{self.permission}{target}{job}{hour}"


@lru_cache(maxsize=4096)
def parse_grant(text: str) -> Grant:
    """A grant from its text; its target is not parsed. Raises ``InvalidInput`` without a field."""
    if len(text) > MAX_GRANT:
        raise InvalidInput(f"The grant {text[:40]!r}... has {len(text)} characters, at most {MAX_GRANT} are allowed.")
    permission_text, limits = text, ""
    while (limit := _LIMIT.search(permission_text)) is not None:
        permission_text, limits = permission_text[: limit.start()], limit[0] + limits
    permission, at, target = permission_text.partition(_AT)
    if permission != EVERYTHING and not _PERMISSION.fullmatch(permission):
        raise InvalidInput(
            f"{text[:80]!r} is not a permission; write resource:verb, resource:* or *, or one with @target."
        )
    if at and not target.strip():
        raise InvalidInput(f"{text[:80]!r} names no target after the @; write for example {permission}@group:web.")
    numbers = _LIMITS.fullmatch(limits)
    if numbers is None:
        raise InvalidInput(
            f"The limits {limits[:80]!r} are not valid; write ;max_hosts=10 or ;max_hosts=5%, then "
            ";max_hosts_per_hour=100."
        )
    if (at or limits) and permission in UNSCOPED:
        raise InvalidInput(f"{permission} concerns the whole system; no target and no limit can narrow it.")
    if limits and permission in UNLIMITED:
        raise InvalidInput(f"{permission} is not about the hosts of a job; a target can narrow it, and no limit.")
    hour = numbers["hour"]
    grant = Grant(permission, target.strip() if at else None, _host_limit(numbers["job"]), int(hour) if hour else None)
    if grant.max_hosts_per_hour == 0:
        raise InvalidInput("max_hosts_per_hour is at least 1; leave the permission out to grant nothing.")
    return grant


def _host_limit(text: str | None) -> HostLimit | None:
    if text is None:
        return None
    is_percent, amount = text.endswith("%"), float(text.rstrip("%"))
    if amount <= 0 or (is_percent and amount > _WHOLE) or (not is_percent and amount != int(amount)):
        raise InvalidInput(f"max_hosts is a whole number from 1, or more than 0% and at most 100%; {text} is neither.")
    return HostLimit(amount, is_percent)


def narrowed_grant(one: Grant, other: Grant) -> Grant | None:
    """The intersection of two grants; None if their permissions do not overlap."""
    if one.covers(other.permission):
        permission = other.permission
    elif other.covers(one.permission):
        permission = one.permission
    else:
        return None
    if permission in UNSCOPED and not (one.is_plain and other.is_plain):
        return None
    if permission in UNLIMITED and (one.has_limits or other.has_limits):
        return None
    targets = list(dict.fromkeys(grant.target for grant in (one, other) if grant.target is not None))
    target = " and ".join(f"({text})" for text in targets) if len(targets) > 1 else next(iter(targets), None)
    limits = [grant.max_hosts for grant in (one, other) if grant.max_hosts is not None]
    hours = [grant.max_hosts_per_hour for grant in (one, other) if grant.max_hosts_per_hour is not None]
    narrow = Grant(permission, target, limits[0] if limits else None, min(hours, default=None))
    if len(limits) == 2 and limits[0].is_percent == limits[1].is_percent:
        return replace(narrow, max_hosts=min(limits, key=lambda limit: limit.amount))
    if len(limits) == 2:  # a number and a share cannot be compared without the fleet: nothing goes without an approval
        return replace(narrow, max_hosts=HostLimit(1))
    return narrow
