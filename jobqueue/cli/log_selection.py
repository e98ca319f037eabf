"""The output that ``job logs`` prints: of which hosts, and whether it is followed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jobqueue.client import Client
from jobqueue.model.states import FAILURES

_FAILURES = frozenset(state.value for state in FAILURES)


@dataclass(frozen=True)
class LogSelection:
    """The choice of a caller. Without ``hosts``: all. ``offset`` is a place in the output of one host."""

    hosts: tuple[str, ...] = ()
    failed: bool = False
    follow: bool = False
    offset: int = 0


def read_logs(client: Client, job_id: str, selection: LogSelection) -> tuple[Iterable[dict[str, Any]], bool]:
    """Pages as of ``Client.logs``, and whether they may be of several hosts.

    Raises the errors of the client, some of them only while the pages are read.
    """
    hosts = selection.hosts
    if len(hosts) == 1 and not selection.failed:
        read = client.follow_logs if selection.follow else client.iter_logs
        return read(job_id, hosts[0], selection.offset), False
    has_several = len(hosts) > 1 or "hosts" in client.host_logs(job_id, limit=1)
    if selection.follow:
        return client.follow_logs(job_id), has_several
    if hosts:
        return _failed(_of_hosts(client, job_id, hosts)) if selection.failed else _of_hosts(client, job_id, hosts), True
    pages = client.iter_host_logs(job_id, failed=selection.failed)
    return (_failed(pages) if selection.failed else pages), has_several


def _of_hosts(client: Client, job_id: str, hosts: Iterable[str]) -> Iterator[dict[str, Any]]:
    for host in hosts:
        yield from client.iter_logs(job_id, host)


def _failed(pages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (page for page in pages if page["status"] in _FAILURES)
