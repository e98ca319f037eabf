"""Completion candidates from the API. Where the API fails, Tab completes nothing; it never prints an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from itertools import islice
from typing import Any

import click
from click.shell_completion import CompletionItem

from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.errors import JobQueueError
from jobqueue.model.states import JobStatus
from jobqueue.model.target import ALL, ANY

_TIMEOUT_SECONDS = 2.0
#: Ids of this many jobs, the newest.
_JOBS = 50
#: The most names of one kind.
_NAMES = 200

_Candidates = Iterable[tuple[Any, str]]
_Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


#: What lists the values, for each completer of the names of records.
NAMES: dict[object, Callable[[Client], _Candidates]] = {}


def _completer(find: Callable[[Client], _Candidates]) -> _Complete:
    """Completes a word by the values that ``find`` returns with their help."""

    @wraps(find)
    def complete(_context: click.Context, _parameter: click.Parameter, word: str) -> list[CompletionItem]:
        try:
            with Client(timeout=_TIMEOUT_SECONDS, retries=0) as client:
                candidates = list(find(client))
        except JobQueueError:
            return []
        items = ((one_line(value), one_line(text)) for value, text in candidates)
        return [CompletionItem(value, help=text) for value, text in items if value.startswith(word)]

    return complete


def _names(find: Callable[[Client], _Candidates]) -> _Complete:
    """The completer of the names of records."""
    complete = _completer(find)
    NAMES[complete] = find
    return complete


@_completer
def job_ids_like(client: Client) -> _Candidates:
    """The newest jobs."""
    for job in client.jobs(limit=_JOBS, view="summary")["items"]:
        yield job["id"], f"{job.get('status')} {(job.get('operation') or {}).get('type')}"


@_names
def hostnames_like(client: Client) -> _Candidates:
    """The agents."""
    for agent in client.agents(view="summary")["agents"]:
        yield agent["hostname"], f"{agent.get('status')} {agent.get('state')}"


@_completer
def operations_like(client: Client) -> _Candidates:
    """The operations."""
    for operation in client.operations()["operations"]:
        yield operation["type"], operation.get("summary") or ""


@_names
def work_like(client: Client) -> _Candidates:
    """The operations, and the saved jobs as @NAME."""
    for operation in client.operations()["operations"]:
        yield operation["type"], operation.get("summary") or ""
    for saved in islice(client.saved.list(), _NAMES):
        yield f"@{saved['name']}", saved.get("title") or "a saved job"


@_names
def saved_like(client: Client) -> _Candidates:
    """The saved jobs."""
    for saved in islice(client.saved.list(), _NAMES):
        yield saved["name"], saved.get("title") or ""


@_names
def workflows_like(client: Client) -> _Candidates:
    """The workflows."""
    for workflow in islice(client.workflows.list(), _NAMES):
        yield workflow["name"], workflow.get("title") or ""


@_completer
def runs_like(client: Client) -> _Candidates:
    """The newest runs of workflows."""
    for run in client.workflows.runs(limit=_JOBS)["runs"]:
        yield run["id"], f"{run.get('status')} {run.get('workflow')}"


@_names
def schedules_like(client: Client) -> _Candidates:
    """The schedules."""
    for schedule in islice(client.iter_schedules(), _NAMES):
        yield schedule["name"], schedule.get("description") or ""


@_names
def notifications_like(client: Client) -> _Candidates:
    """The notification rules."""
    for rule in islice(client.notifications.list(), _NAMES):
        yield rule["name"], rule.get("description") or ""


@_names
def files_like(client: Client) -> _Candidates:
    """The objects."""
    for stored in islice(client.files.list(), _NAMES):
        yield stored["name"], f"version {stored.get('version')}"


@_names
def stored_targets_like(client: Client) -> _Candidates:
    """The stored targets."""
    for stored in client.targets()["targets"]:
        yield stored["name"], stored.get("target") or ""


@_names
def roles_like(client: Client) -> _Candidates:
    """The roles."""
    for role in client.roles()["roles"]:
        yield role["name"], " ".join(role.get("permissions") or ())


@_names
def users_like(client: Client) -> _Candidates:
    """The users."""
    for user in client.users()["users"]:
        yield user["name"], " ".join(user.get("roles") or ())


@_completer
def targets_like(client: Client) -> _Candidates:
    """Everything that a job can be for."""
    yield ANY, "any one free agent"
    yield ALL, "every live agent"
    agents = client.agents(view="summary")["agents"]
    for agent in agents:
        yield agent["hostname"], "the agent"
    labels = {f"{key}:{value}" for agent in agents for key, value in (agent.get("labels") or {}).items()}
    for label in sorted(labels):
        yield label, "every live agent with this label"
    for stored in client.targets()["targets"]:
        yield f"@{stored['name']}", stored.get("target") or "a stored target"


def statuses_like(_context: click.Context, _parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Statuses of jobs; after a comma, one more."""
    before, comma, last = word.rpartition(",")
    return [CompletionItem(f"{before}{comma}{status}") for status in JobStatus if status.startswith(last)]
