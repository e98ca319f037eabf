"""A saved job: a request for a job under a name, with parameters that are filled in when it is run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.grant import EVERYTHING
from jobqueue.model.principal import Principal

READ, WRITE, RUN = "saved:read", "saved:write", "saved:run"
#: Maximum number of principals and roles in ``run_by`` and in ``edit_by``.
MAX_GRANTEES = 50
#: Maximum size of a saved job in the ledger, in bytes of JSON.
MAX_BYTES = 256 * 1024
#: Newest versions that are kept.
KEPT_VERSIONS = 50
#: Maximum number of saved jobs, and of those on one page.
MOST_SAVED, MAX_PAGE = 10_000, 500
#: Prefix of the ledger's list of the jobs that were made from one saved job.
_GROUP = "saved|"
_ROLE = "role:"
_GRANTEE = re.compile(r"(?:role:)?[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
_MANAGER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@-]{0,99}")


class Granted:
    """A record that lists who may run and change it, of those that have the permission at all; empty: all of them."""

    run_by: tuple[str, ...]
    edit_by: tuple[str, ...]

    def may_run(self, principal: Principal) -> bool:
        """Whether the principal may run it, as far as the record decides that."""
        return principal.may(RUN) and _includes(self.run_by, principal)

    def may_edit(self, principal: Principal) -> bool:
        """Whether the principal may change, restore and delete it."""
        return principal.may(WRITE) and _includes(self.edit_by, principal)


@dataclass(frozen=True)
class SavedJob(Granted):
    """``job`` holds the fields of ``JobFields`` in JSON form, with templates in its ``data``. ``parameters`` are JSON
    Schemas by name.

    ``run_by`` and ``edit_by`` name the principals (``alice``) and roles (``role:deploy``) that may run and change it,
    of those that have the permission at all; empty: all of them. ``managed_by`` is the set of files that it was applied
    from, empty for one that was stored by hand. ``changed`` is in microseconds; ``changed_by`` names the principal.
    """

    name: str
    job: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target_override: bool = False
    run_by: tuple[str, ...] = ()
    edit_by: tuple[str, ...] = ()
    managed_by: str = ""
    version: int = 0
    changed: int = 0
    changed_by: str = ""

    @property
    def content(self) -> dict[str, Any]:
        """The content of a version: everything but its number, time and author."""
        return {
            "job": dict(self.job),
            "parameters": {name: dict(schema) for name, schema in self.parameters.items()},
            "target_override": self.target_override,
            "run_by": list(self.run_by),
            "edit_by": list(self.edit_by),
            "managed_by": self.managed_by,
        }

    @property
    def title(self) -> str:
        """The title of its jobs."""
        return str(self.job.get("title") or self.name)

    @property
    def description(self) -> str:
        """The description of its jobs; empty if they have none."""
        return str(self.job.get("description") or "")


def group_of(name: str) -> str:
    """The list of the jobs that were made from a saved job (``JobFilter.group``)."""
    return f"{_GROUP}{name}"


def check_manager(text: str) -> str:
    """``text`` if it can name who manages a record; raises ``InvalidInput``."""
    if text and not _MANAGER.fullmatch(text):
        sentence = "Must be 1 to 100 letters, digits or . _ / @ -, and begin with a letter or digit."
        raise InvalidInput.of("managed_by", sentence)
    return text


def check_grantees(names: list[str], where: str) -> tuple[str, ...]:
    """The names of principals and roles, each once, sorted; raises ``InvalidInput`` for the field ``where``."""
    unique = sorted(set(names))
    if len(unique) > MAX_GRANTEES:
        raise InvalidInput.of(where, f"At most {MAX_GRANTEES} principals and roles, not {len(unique)}.")
    for name in unique:
        if not _GRANTEE.fullmatch(name):
            sentence = f"{name[:80]!r} names neither a principal (alice) nor a role (role:deploy)."
            raise InvalidInput.of(where, sentence)
    return tuple(unique)


def _includes(grantees: tuple[str, ...], principal: Principal) -> bool:
    if not grantees or EVERYTHING in principal.permissions:
        return True
    return principal.name in grantees or any(f"{_ROLE}{role}" in grantees for role in principal.roles)
