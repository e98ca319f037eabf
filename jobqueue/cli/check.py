"""``jobqueue check``."""

from __future__ import annotations

import click

from jobqueue.errors import InvalidSettings
from jobqueue.local.inspection import Verdict, inspect
from jobqueue.settings import Settings

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.ERROR: "red"}


@click.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Validate the configuration and reach Redis; start nothing. Exit code 0: all is well, 2: something must change."""
    try:
        settings = Settings.from_env()
    except InvalidSettings as error:
        for messages in (error.details or {"": [error.message]}).values():
            for message in messages:
                _show(Verdict.ERROR, message)
        context.exit(2)
    _show(Verdict.OK, f"The settings are valid; the state directory is {settings.state_dir}.")
    findings = inspect(settings)
    for finding in findings:
        _show(finding.verdict, finding.text)
    if any(finding.verdict is Verdict.ERROR for finding in findings):
        context.exit(2)


def _show(verdict: Verdict, text: str) -> None:
    click.echo(f"{click.style(verdict.value.ljust(8), fg=_COLOURS[verdict])}{text}")
