"""``jobqueue doctor``."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict
from typing import Any

import click

from jobqueue.cli.parameters import local_json_option
from jobqueue.cli.views.text import visible
from jobqueue.errors import BucketUnavailable, InvalidSettings, LedgerUnavailable
from jobqueue.settings import Settings

_CANNOT = 2


@click.command()
@click.option("--repair", "repairs", is_flag=True, help="Repair the damage found; running work continues.")
@local_json_option
@click.pass_context
def doctor(context: click.Context, repairs: bool, as_json: bool) -> None:
    """Check the whole ledger in Redis, and repair it.

    With a bucket (JOBQUEUE_S3_BUCKET), content that is only there, or only known in Redis, is found as well.

    Needs the permissions of the Redis user jobqueue-doctor that `jobqueue redis acl` prints. Exit code 0: nothing is
    wrong, 1: damage was found (and repaired, with --repair), 2: the ledger could not be checked.
    """
    try:
        findings = _examine(repairs)
    except (BucketUnavailable, InvalidSettings, LedgerUnavailable) as error:
        click.echo(f"The ledger could not be checked: {error.message}", err=True)
        context.exit(_CANNOT)
    if as_json:
        click.echo(json.dumps([asdict(damage) for damage in findings], indent=2))
    else:
        for damage in findings:
            # a key can have any name: an agent's user can write some, and so can the bucket
            click.echo(visible(f"{'repaired' if damage.repaired else 'damaged'}  {damage.key}: {damage.text}"))
        click.echo(f"{len(findings)} findings." if findings else "Nothing is wrong.")
    context.exit(1 if findings else 0)


def _examine(repairs: bool) -> list[Any]:
    # loaded here, since the other commands need neither Redis' client nor the ledger
    store = importlib.import_module("jobqueue.ledger.ledger")
    examination = importlib.import_module("jobqueue.ledger.doctor")
    settings = Settings.from_env()
    ledger = store.Ledger.open(settings)
    try:
        findings = list(examination.Doctor(ledger, repairs=repairs, lease_seconds=settings.lease_seconds).run())
        return [*findings, *_of_bucket(settings, ledger, repairs)] if settings.s3_bucket else findings
    finally:
        ledger.close()


def _of_bucket(settings: Settings, ledger: Any, repairs: bool) -> list[Any]:
    buckets = importlib.import_module("jobqueue.services.bucket")
    examination = importlib.import_module("jobqueue.services.bucket_doctor")
    return list(examination.bucket_damage(ledger, buckets.Bucket.open(settings), repairs=repairs))
