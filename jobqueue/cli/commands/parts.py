"""The parts of the system, one process each: ``jobqueue api``, ``front``, ``worker``, ``maintenance``, ``flower``."""

from __future__ import annotations

import importlib
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from jobqueue.deferred_module import defer
from jobqueue.env_file import read_env_file
from jobqueue.errors import InvalidSettings, InvalidTarget
from jobqueue.extras import require
from jobqueue.plain_text import decoded, reason_of
from jobqueue.setting_checks import parse_labels
from jobqueue.settings import Settings
from jobqueue.standalone.ports import LOOPBACK

FLOWER_PORT = 5555
FLOWER_PASSWORD_FILE = "flower.password"  # noqa: S105 (the name of a file)


def _labels(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """One mapping of all ``--label k=v``."""
    labels: dict[str, str] = {}
    for value in values:
        try:
            label = parse_labels(value)
        except (ValueError, InvalidTarget) as error:
            raise click.BadParameter(f"use key=value, such as group=web.dev ({error})", context, parameter) from error
        if len(label) != 1 or not labels.keys().isdisjoint(label):
            raise click.BadParameter(f"{value!r} is not one new label; repeat --label", context, parameter)
        labels |= label
    return labels


def _server_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that serves HTTP."""
    for option in (
        click.option(
            "--behind-proxy",
            is_flag=True,
            default=None,
            help="Trust X-Forwarded-* headers; a TLS proxy is the only client.  [JOBQUEUE_BEHIND_PROXY]",
        ),
        click.option("--workers", type=int, help="Number of processes.  [JOBQUEUE_API_WORKERS]"),
        click.option("--port", type=int, help="Port to listen on.  [JOBQUEUE_API_PORT, default 8080]"),
        click.option("--host", help="Address to listen on.  [JOBQUEUE_API_HOST, default 127.0.0.1]"),
    ):
        command = option(command)
    return command


@click.command()
@_server_options
def api(host: str | None, port: int | None, workers: int | None, behind_proxy: bool | None) -> None:
    """Serve the HTTP API until SIGTERM.

    Any address other than loopback requires JOBQUEUE_TLS_CERT and JOBQUEUE_TLS_KEY, or --behind-proxy.
    """
    settings = Settings.from_env(api_host=host, api_port=port, api_workers=workers, behind_proxy=behind_proxy)
    require("jobqueue api", "api")
    _run("api.server", "serve", settings)


@click.command()
@click.option(
    "--cells",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the addresses of the cells (docs/cells.md).  [JOBQUEUE_CELLS]",
)
@_server_options
def front(
    cells: Path | None, host: str | None, port: int | None, workers: int | None, behind_proxy: bool | None
) -> None:
    """Serve the jobs and agents of several deployments (cells) as one, until SIGTERM.

    Its own Redis (JOBQUEUE_REDIS_URL) holds its credentials, its audit trail, and the jobs that it has submitted.
    """
    settings = Settings.from_env(
        cells=cells, api_host=host, api_port=port, api_workers=workers, behind_proxy=behind_proxy
    )
    require("jobqueue front", "api")
    _run("api.front_server", "serve", settings)


@click.command()
@click.option("--hostname", help="The agent's name.  [JOBQUEUE_HOSTNAME, default this machine's]")
@click.option(
    "--label",
    "labels",
    metavar="K=V",
    multiple=True,
    callback=_labels,
    help="A label; may be repeated; takes precedence over JOBQUEUE_LABELS (k=v,k2=v2).",
)
@click.option("--concurrency", type=int, help="Executions at a time.  [JOBQUEUE_CONCURRENCY, default 8]")
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read settings, as NAME=value lines, from this file; the environment takes precedence.",
)
@click.option(
    "--events/--no-events", default=False, show_default=True, help="Send Celery's task events, which Flower shows."
)
def worker(
    hostname: str | None, labels: dict[str, str], concurrency: int | None, env_file: Path | None, events: bool
) -> None:
    """Run the agent of one host until SIGTERM."""
    if env_file is not None:
        # into the environment, where secrets of this host are looked up as well
        for name, value in read_env_file(env_file).items():
            os.environ.setdefault(name, value)
    settings = Settings.from_env(hostname=hostname, concurrency=concurrency)
    settings = replace(settings, labels={**settings.labels, **labels})
    # redis-py imports its asynchronous client, which an agent does not use: more than a MiB
    defer("redis", "asyncio")
    _run("workers.agent.main", "run", settings, events=events)


@click.command()
def maintenance() -> None:
    """Run maintenance (promoting, reaping, pruning) until SIGTERM. Several may run; one leads."""
    _run("workers.maintenance.service", "run", Settings.from_env())


@click.command()
@click.option("--address", default=LOOPBACK, show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=FLOWER_PORT,
    show_default=True,
    envvar="FLOWER_PORT",
    show_envvar=True,
    help="Port to listen on.",
)
def flower(address: str, port: int) -> None:
    """Run Flower, with user admin and the API's token as password, or a generated one if no token is known.

    It shows the executions of agents that run with --events. Needs: pip install 'jobqueue[flower]'.
    """
    from jobqueue.standalone.stack import require_flower

    require_flower()
    settings = Settings.from_env()
    password = settings.token
    if password is None:
        password, path = own_password(settings)
        click.echo(f"Flower's user is admin, and its password is in {path}", err=True)
    if "," in password:
        raise InvalidSettings("Flower does not support a comma in the password; choose another JOBQUEUE_TOKEN.")
    os.environ.update(
        {
            # by environment: the command line of a process can be read by every user
            "FLOWER_BASIC_AUTH": f"admin:{password}",
            "FLOWER_ADDRESS": address,
            "FLOWER_PORT": str(port),
        }
    )
    importlib.import_module("jobqueue.dispatch.app").make_app(settings).start(["flower"])


def own_password(settings: Settings) -> tuple[str, Path]:
    """Flower's own password and the file that keeps it, for this user only; made at the first call."""
    from jobqueue.standalone.state import StateDirectory

    path = settings.state_dir / FLOWER_PASSWORD_FILE
    try:
        settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            StateDirectory(settings.state_dir).write(FLOWER_PASSWORD_FILE, secrets.token_urlsafe(32))
        password = decoded(path.read_bytes()).strip()
    except (OSError, UnicodeError) as error:
        raise InvalidSettings(
            f"Flower's password cannot be stored in {path} ({reason_of(error)}); set JOBQUEUE_TOKEN."
        ) from error
    if not password:
        raise InvalidSettings(f"{path} contains no password; remove the file to get a new one.")
    return password, path


def _run(module: str, function: str, *arguments: object, **options: object) -> None:
    """Call a part's function, which lives above this layer, and end with the exit code that it returns, if any."""
    code: int | None = getattr(importlib.import_module(module), function)(*arguments, **options)
    sys.exit(code or 0)
