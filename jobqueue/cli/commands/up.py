"""``jobqueue up``."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from jobqueue.cli.commands.parts import FLOWER_PORT
from jobqueue.cli.program import program
from jobqueue.cli.stopping import Stopping
from jobqueue.cli.views.log_lines import LogLines, say
from jobqueue.errors import InvalidTarget, JobQueueError
from jobqueue.extras import require
from jobqueue.settings import TOKEN_FILE, Settings
from jobqueue.standalone.log_files import LogFiles
from jobqueue.standalone.ports import LOOPBACK, claim_port, parse_listen
from jobqueue.standalone.stack import (
    EXAMPLE_AGENTS,
    AgentPlan,
    Plan,
    Stack,
    Stopped,
    named_agents,
    numbered_agents,
    require_flower,
)
from jobqueue.standalone.state import StateDirectory
from jobqueue.standalone.supervisor import Supervisor

_LARGEST_PORT = 65_535
_REDIS_PORT = 6379
_MOST_AGENTS = 100
_MOST_NAMED = 5
#: Folder of the state directory.
LOGS = "logs"


def _agents(context: click.Context, parameter: click.Parameter, value: str) -> list[AgentPlan]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    number = value.strip()[:9]
    try:
        plans = (
            numbered_agents(min(int(number), _MOST_AGENTS + 1)) if value.strip().isdecimal() else named_agents(names)
        )
    except InvalidTarget as error:
        raise click.BadParameter(error.message, context, parameter) from error
    if len(plans) > _MOST_AGENTS or len({plan.hostname for plan in plans}) < len(plans):
        raise click.BadParameter(f"give up to {_MOST_AGENTS} different names, or their number", context, parameter)
    return plans


def _listen(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, int] | None:
    try:
        return None if value is None else parse_listen(value, _REDIS_PORT)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", context, parameter) from error


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, _LARGEST_PORT),
    default=8080,
    show_default=True,
    help="The API's port; 0: any free port.",
)
@click.option("--host", default=LOOPBACK, show_default=True, help="The API's address.")
@click.option(
    "--behind-proxy",
    is_flag=True,
    default=None,
    help="Trust X-Forwarded-* headers; a TLS proxy is the only client.  [JOBQUEUE_BEHIND_PROXY]",
)
@click.option(
    "--listen",
    metavar="ADDRESS[:PORT]",
    callback=_listen,
    help="Let other hosts join: the embedded Redis also listens here (port 6379), every user with a password.",
)
@click.option(
    "--agents",
    metavar="NAMES|NUMBER",
    default=",".join(EXAMPLE_AGENTS),
    show_default=True,
    callback=_agents,
    help="Hostnames of the agents, separated by commas; or their number, for agent1, agent2, ...",
)
@click.option("--verbose", is_flag=True, help="Print the output of the processes here instead of to log files.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the jobs and the token.  [JOBQUEUE_STATE_DIR, default ~/.local/state/jobqueue]",
)
@click.option(
    "--flower/--no-flower",
    default=False,
    show_default=True,
    help="Also start Flower and the task events it needs, which cost throughput.",
)
@click.option(
    "--flower-port",
    type=click.IntRange(0, _LARGEST_PORT),
    default=FLOWER_PORT,
    show_default=True,
    help="Flower's port; 0: any free port.",
)
def up(**options: Any) -> None:
    """Run everything on this machine until Ctrl-C.

    Redis is embedded unless JOBQUEUE_REDIS_URL is set; jobs and the admin token outlive a restart.
    """
    _run(_Options(**options))


@dataclass(frozen=True)
class _Options:
    """The command line's."""

    port: int
    host: str
    behind_proxy: bool | None
    listen: tuple[str, int] | None
    agents: list[AgentPlan]
    verbose: bool
    state_dir: Path | None
    flower: bool
    flower_port: int


_TAIL_LINES = 15


def _run(options: _Options) -> None:
    settings = Settings.from_env(state_dir=options.state_dir, behind_proxy=options.behind_proxy)
    if options.flower:
        require_flower()
    require("jobqueue up", "api", install="all")
    redis_url = _redis_url(options)
    with StateDirectory(settings.state_dir) as state, Stopping() as stopping:
        lines = LogLines()
        with (
            LogFiles(state.subdirectory(LOGS), lines.emit, everything=options.verbose) as logs,
            Supervisor(logs.emit, owner=str(state.path.resolve())) as supervisor,
        ):
            plan = Plan(
                agents=options.agents,
                host=options.host,
                behind_proxy=settings.behind_proxy,
                port=claim_port(options.host, options.port, "--port"),
                redis_url=redis_url,
                listen=None if options.listen is None else (options.listen[0], claim_port(*options.listen, "--listen")),
                flower_port=claim_port(LOOPBACK, options.flower_port, "--flower-port") if options.flower else None,
                token=os.environ.get("JOBQUEUE_TOKEN", "").strip() or None,
            )
            stack = Stack(plan, state, supervisor)
            try:
                stack.start(stopping.is_asked)
                _greet(stack, state)
                stopping.wait()
            except Stopped:
                pass
            except JobQueueError:
                for name, line in () if options.verbose else supervisor.tail(_TAIL_LINES):
                    lines.emit(name, line)
                raise
            say("Stopping...")
    say("Stopped.")


def _redis_url(options: _Options) -> str | None:
    """The Redis to use instead of an embedded one."""
    url = os.environ.get("JOBQUEUE_REDIS_URL", "").strip() or None
    if options.listen is not None and url is not None:
        raise JobQueueError(
            "--listen is for the embedded Redis, and JOBQUEUE_REDIS_URL names another one. Leave out --listen, and set "
            "JOBQUEUE_AGENT_REDIS_URL to the address at which other hosts reach that Redis."
        )
    return url


def _greet(stack: Stack, state: StateDirectory) -> None:
    token_file = state.path / TOKEN_FILE
    token = f"$(cat {shlex.quote(str(token_file))})" if stack.plan.token is None else "$JOBQUEUE_TOKEN"
    say()
    names = ", ".join(agent.hostname for agent in stack.plan.agents[:_MOST_NAMED])
    more = ", ..." if len(stack.plan.agents) > _MOST_NAMED else ""
    agents = f"the agents {names}{more} are live" if names else "there are no agents yet"
    say(f"jobqueue is up: {agents}. Ctrl-C stops everything.")
    say(f"  Dashboard  {stack.url}/")
    say(f"  API docs   {stack.url}/docs")
    if stack.flower_url is not None:
        say(f"  Flower     {stack.flower_url}/ (user admin, password: the token)")
    if stack.agent_redis_url is not None:
        say(f"  Add hosts  {program()} agent bundle web9 > web9.join, and on the host: jobqueue agent join web9.join")
    say(f"  Logs       {state.path / LOGS}/ (or --verbose)")
    say(f"  Token      {token_file if stack.plan.token is None else 'as in JOBQUEUE_TOKEN'}")
    prefix = (
        "" if Settings.from_env().state_dir == state.path else f"JOBQUEUE_STATE_DIR={shlex.quote(str(state.path))} "
    )
    say(f"  Try        {prefix}{program()} job submit node.hostname.get --target _all")
    say(f'  or         curl -H "Authorization: Bearer {token}" -H "Content-Type: application/json" \\')
    body = '{"operation": {"type": "node.hostname.get", "data": {}}, "target_hostname": "_all"}'
    say(f"               -d '{body}' {stack.url}/job")
    say()
