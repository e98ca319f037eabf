"""``jobqueue agent bundle`` and ``jobqueue agent join``: a new host in two commands."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path
from typing import Any

import click

from jobqueue.cli.connection import LocalCommand, connect
from jobqueue.cli.parameters import TextFile, duration, json_option, pair
from jobqueue.cli.views.output import screen
from jobqueue.cli.views.text import one_line


def _labels(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    return dict(pair(value) for value in values)


@click.command()
@click.argument("hostname")
@click.option("--expires", type=duration, default="1h", show_default=True, help="How long it is valid: 30m, 12h, 7d.")
@click.option(
    "--allow",
    multiple=True,
    metavar="OPERATION",
    help="An operation that the host allows, a pattern ('command.*'), or read-only (the default); may be repeated.",
)
@click.option("--label", "labels", multiple=True, metavar="K=V", callback=_labels, help="A label; may be repeated.")
@click.option(
    "--redis-url-file",
    type=TextFile(),
    metavar="FILE",
    help="Read the agent's address of Redis, with its user and password, from FILE. Default: a user is created.",
)
@click.option("--replace", is_flag=True, help="Replace an agent of this hostname; that agent loses its access.")
@json_option
def bundle(
    hostname: str,
    expires: float,
    allow: tuple[str, ...],
    labels: dict[str, str],
    redis_url_file: str | None,
    replace: bool,
    as_json: bool,
) -> None:
    """Print the file with which the host HOSTNAME joins: jobqueue agent bundle web1 > web1.join

    Bring the file to the host and run there: jobqueue agent join web1.join. The file can be used once, by this host
    only. It holds a password and a token: transfer it over a secure channel, and delete it afterwards.
    """
    url = redis_url_file.strip() if redis_url_file is not None else None
    with connect() as client:
        answer = client.bundle(
            hostname,
            seconds=max(1, int(expires)),
            allow=allow or ("read-only",),
            labels=labels,
            redis_url=url,
            replace=replace,
        )
    if as_json:
        screen().json(answer)
        return
    click.echo(answer["bundle"], nl=False)
    name = shlex.quote(f"{one_line(answer['hostname'])}.join")
    click.echo(
        f"This bundle is for {one_line(answer['hostname'])}, once, until {one_line(answer['expires_at'])}.", err=True
    )
    click.echo(f"SHA-256: {one_line(answer['sha256'])}", err=True)
    click.echo(f"On the host: jobqueue agent join {name}", err=True)
    if not answer["redis_user_kept"]:
        click.echo(
            f"Redis forgets its user {one_line(answer['redis_user'])} when it restarts: it has no aclfile. See "
            "docs/redis.md.",
            err=True,
        )


@click.command(cls=LocalCommand)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--user", is_flag=True, help="For this user, without root: in ~/.config and ~/.local/state.")
@click.option("--start/--no-start", default=None, help="Start the service. Default: where systemd runs.")
@click.option("--foreground", is_flag=True, help="Run the agent here instead, until Ctrl-C.")
@click.option("--hostname", help="This host's name, if it is not the system's.")
@click.option(
    "--allow",
    multiple=True,
    metavar="OPERATION",
    help="What this host allows, instead of what the bundle says; may be repeated.",
)
@click.option("--sha256", metavar="DIGEST", help="Refuse the file unless it has this digest.")
@click.option("--replace", is_flag=True, help="Overwrite the settings of an agent that is set up here already.")
def join(**options: Any) -> None:
    """Set this host up as an agent, with a FILE from `jobqueue agent bundle`.

    FILE may be - for standard input. Checks the file, writes the settings, installs a systemd service where systemd
    runs, and starts it. Nothing is written before all checks have passed.
    """
    module: Any = importlib.import_module("workers.joining.join")  # above this layer
    module.join(module.JoinRequest(**options), click.echo)
