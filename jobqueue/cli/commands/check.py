"""``jobqueue check``."""

from __future__ import annotations

import json

import click

from jobqueue.cli.parameters import local_json_option
from jobqueue.cli.views.text import visible
from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings
from jobqueue.standalone.inspection import CheckResult, Finding, inspect

_COLOURS = {CheckResult.OK: "green", CheckResult.WARNING: "yellow", CheckResult.ERROR: "red"}


@click.command()
@local_json_option
@click.pass_context
def check(context: click.Context, as_json: bool) -> None:
    """Validate the configuration and the connection to Redis; start nothing. Exit code: 0 valid, 2 not valid."""
    findings = _findings()
    if as_json:
        click.echo(
            json.dumps([{"verdict": finding.verdict.value, "text": finding.text} for finding in findings], indent=2)
        )
    else:
        for finding in findings:
            verdict = click.style(finding.verdict.value.ljust(8), fg=_COLOURS[finding.verdict])
            click.echo(verdict + visible(finding.text, keep="\n"))
    if any(finding.verdict is CheckResult.ERROR for finding in findings):
        context.exit(2)


def _findings() -> list[Finding]:
    try:
        settings = Settings.from_env()
    except InvalidSettings as error:
        return [
            Finding(CheckResult.ERROR, message)
            for messages in (error.details or {"": [error.message]}).values()
            for message in messages
        ]
    well = Finding(CheckResult.OK, f"The settings are valid; the state directory is {settings.state_dir}.")
    return [well, *inspect(settings)]
