"""``jobqueue demo``: the whole system for a few seconds, with real jobs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from jobqueue.cli.program import program
from jobqueue.cli.stopping import Stopping
from jobqueue.cli.views.log_lines import LogLines, say
from jobqueue.cli.views.output import Column, Screen, screen
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.errors import JobQueueError
from jobqueue.extras import require
from jobqueue.settings import PREFIX
from jobqueue.standalone.ports import LOOPBACK, free_port
from jobqueue.standalone.stack import AgentPlan, Plan, Stack, Stopped
from jobqueue.standalone.state import StateDirectory
from jobqueue.standalone.supervisor import Supervisor

_JOB_SECONDS = 20.0
_TAIL_LINES = 15
_AGENTS = (
    AgentPlan("web1", {"group": "web.dev"}),
    AgentPlan("web2", {"group": "web.prod"}),
    AgentPlan("db1", {"group": "db"}),
)


@dataclass(frozen=True)
class _Request:
    """A job of the demo; ``agents`` must answer it, or any one agent if empty."""

    operation: str
    target: str
    why: str
    agents: frozenset[str] = frozenset()
    data: Mapping[str, Any] = field(default_factory=dict)


_REQUESTS = (
    _Request("node.hostname.get", "_any", "any free agent"),
    _Request("node.uptime.get", "db1", "one host by its name", frozenset({"db1"})),
    _Request(
        "command.exec.execute",
        "group:web",
        "every host with a label: web.dev and web.prod",
        frozenset({"web1", "web2"}),
        {"argv": ["uname", "-sr"]},
    ),
    _Request("node.load.get", "_all", "every host", frozenset(agent.hostname for agent in _AGENTS)),
)
#: The job whose timeline is shown.
_STORY = "command.exec.execute"


@click.command()
@click.option("--logs", is_flag=True, help="Also show the output of the processes.")
@click.pass_context
def demo(context: click.Context, logs: bool) -> None:
    """Start everything on free ports, run real jobs on three agents, show their answers, stop everything.

    Needs no Redis and changes nothing on this machine; JOBQUEUE_* settings are ignored.
    """
    require("jobqueue demo", "api", install="all")
    with Stopping() as stopping, tempfile.TemporaryDirectory(prefix="jobqueue-demo-") as directory:
        path = Path(directory)
        lines = LogLines()
        with (
            StateDirectory(path) as state,
            Supervisor(lines.emit if logs else _ignore, remove_tree=path) as supervisor,
        ):
            try:
                stack = _start(state, supervisor, stopping)
                _run_jobs(stack, screen(full=True), stopping)
            except Stopped:
                say("Stopping...")
            except JobQueueError:
                if not logs:
                    for name, line in supervisor.tail(_TAIL_LINES):
                        lines.emit(name, line)
                raise
    if stopping.is_asked():
        context.exit(stopping.exit_code)
    say()
    say(f"Everything is stopped. `{program()} up` starts the same and keeps running.")


def _ignore(name: str, line: str) -> None:
    """The supervisor keeps the last lines; they are shown if something fails."""


def _start(state: StateDirectory, supervisor: Supervisor, stopping: Stopping) -> Stack:
    say(f"Starting Redis, API, maintenance and {len(_AGENTS)} agents...")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    plan = Plan(agents=_AGENTS, host=LOOPBACK, port=free_port(), persistent=False)
    stack = Stack(plan, state, supervisor, environ)
    stack.start(stopping.is_asked)
    return stack


def _run_jobs(stack: Stack, out: Screen, stopping: Stopping) -> None:
    def check(_: Mapping[str, Any]) -> None:
        if stopping.is_asked():
            raise Stopped

    story: dict[str, Any] | None = None
    failures: list[str] = []
    with Client(stack.url, stack.token) as client:
        _show_agents(client, out)
        for request in _REQUESTS:
            accepted = client.submit(request.operation, request.data, target=request.target)
            job = client.wait(accepted["job_id"], timeout=_JOB_SECONDS, on_poll=check)
            _show_job(request, job, out)
            failures += _complaints(request, job)
            if request.operation == _STORY:
                story = job
        if story is not None:
            _show_timeline(story, out)
        counts = client.jobs(limit=1)["status_counts"]
        out.heading("Jobs by status")
        out.table([Column(status, right=True) for status in counts], [list(counts.values())])
    if failures:
        raise JobQueueError(f"The demo failed: {'; '.join(failures)}.")


def _complaints(request: _Request, job: Mapping[str, Any]) -> list[str]:
    """The faults of a finished job."""
    name = f"{request.operation} to {request.target}"
    if job["status"] != "completed":
        return [f"{name} is {job['status']} ({job['error']})"]
    answered = set(job["responses"])
    if request.agents and answered != request.agents:
        return [f"{name} was answered by {', '.join(sorted(answered)) or 'no agent'}"]
    if not request.agents and len(answered) != 1:
        return [f"{name} was answered by {len(answered)} agents"]
    return []


def _show_agents(client: Client, out: Screen) -> None:
    out.heading("Agents")
    out.table(
        [Column("hostname", uncut=True), Column("labels"), Column("status")],
        [
            (agent["hostname"], " ".join(f"{key}:{value}" for key, value in agent["labels"].items()), agent["status"])
            for agent in client.agents()["agents"]
        ],
    )


def _show_job(request: _Request, job: Mapping[str, Any], out: Screen) -> None:
    out.heading(f"{request.operation} -> {request.target}  ({request.why})")
    states = job["agent_states"]
    out.table(
        [
            Column("agent", uncut=True),
            Column("status", uncut=True),
            Column("took", right=True),
            Column("answer", wrap=True),
        ],
        [
            (
                hostname,
                answer["status"],
                states.get(hostname, {}).get("duration") or "-",
                one_line(answer["error"] or answer["data"]),
            )
            for hostname, answer in sorted(job["responses"].items())
        ],
    )


def _show_timeline(job: Mapping[str, Any], out: Screen) -> None:
    out.heading(f"Timeline of job {job['id']}")
    out.table(
        [Column("time", uncut=True), Column("event", uncut=True), Column("hostname", uncut=True), Column("message")],
        [(event["timestamp"], event["event"], event["hostname"], event["message"]) for event in job["timeline"]],
    )
