"""The jobs that schedules follow: those of a saved job, and those of facades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import READ, group_of
from jobqueue.model.schedule import After
from jobqueue.services import Services


@dataclass(frozen=True)
class Source:
    """A kind of jobs that schedules can follow: ``group`` is the list of the jobs with a name, ``exists`` whether there
    is one with this name, for a principal with the ``permission``.
    """

    group: Callable[[str], str]
    exists: Callable[[str, Services], bool]
    permission: str


#: The field that names jobs to follow -> their kind. Facades add theirs.
_sources = {"saved": Source(group_of, lambda name, services: services.saved_jobs.exists(name), READ)}


def add(sources: Mapping[str, Source]) -> None:
    """Let schedules follow the jobs of a facade."""
    _sources.update(sources)


def after_of(loaded: Mapping[str, Any]) -> After:
    """What ``AfterRequest`` loaded. Raises ``InvalidInput`` unless it names one kind of jobs."""
    named = {kind: loaded[kind] for kind in _sources if kind in loaded}
    if len(named) != 1:
        raise InvalidInput.of("after", f"Must name one of {', '.join(_sources)}.")
    ((kind, name),) = named.items()
    return After(kind, name, _sources[kind].group(name), tuple(dict.fromkeys(loaded["status"])))


def check_source(after: After | None, principal: Principal, services: Services) -> None:
    """Raise ``InvalidInput`` if what a schedule follows does not exist, ``PermissionDenied`` if the principal may not
    read it.
    """
    if after is None:
        return
    source = _sources[after.kind]
    principal.require(source.permission)
    if not source.exists(after.name, services):
        raise InvalidInput.of(f"after.{after.kind}", f"There is no {after.name[:80]!r}; store it first.")
