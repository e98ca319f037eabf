"""``jobqueue signing``: the keys by which agents know that work comes from the API. Works on files, not on the API."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
from nacl.signing import SigningKey

from jobqueue.cli.command_group import CommandGroup
from jobqueue.cli.parameters import local_json_option
from jobqueue.cli.views.output import Column, screen
from jobqueue.errors import AuditUnavailable, InvalidSettings, JobQueueError, LedgerUnavailable
from jobqueue.plain_text import reason_of
from jobqueue.settings import Settings
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.signer import trust, untrust

_COLUMNS = (Column("KEY", uncut=True), Column("USE"), Column("FINGERPRINT", uncut=True))
_unrecorded = click.option(
    "--unrecorded", "is_unrecorded", is_flag=True, help="Proceed even if the audit trail cannot be written."
)


@click.group(cls=CommandGroup)
def signing() -> None:
    """Show and rotate the keys that sign work. Run it where the API runs.

    The API signs with one private key (JOBQUEUE_SIGNING_KEY). Agents trust the public keys in their own copy of one
    file (JOBQUEUE_TRUSTED_KEYS), and both reload their files automatically. The audit trail records each change.
    """


@signing.command("list")
@local_json_option
def list_keys(as_json: bool) -> None:
    """List the keys that are trusted, and which of them signs."""
    settings = Settings.from_env()
    keys = _trusted(settings.trusted_keys)
    current, following = _id_of(settings.signing_key), _id_of(_next_file(settings.signing_key))
    uses = {current: "signs", following: "signs after the next rotation"}
    rows = [(name, uses.get(name, "still trusted"), pem.fingerprint(key)) for name, key in keys.items()]
    if as_json:
        names = [column.name.lower() for column in _COLUMNS]
        screen().json({"keys": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        screen().table(_COLUMNS, rows)


@signing.command()
@_unrecorded
def prepare(is_unrecorded: bool) -> None:
    """Create the next key and trust it, without signing with it yet.

    Then copy the file of trusted keys to the agents' hosts, and run `jobqueue signing rotate`. No work is refused
    meanwhile.
    """
    settings = Settings.from_env()
    key, _ = pem.ensure_private(_next_file(settings.signing_key))  # has no effect before it is trusted
    _record(settings, "prepare", pem.key_id(key.verify_key), is_unrecorded)
    trust(settings.trusted_keys, key.verify_key)
    click.echo(f"Key {pem.key_id(key.verify_key)} is ready. Copy {settings.trusted_keys} to the hosts of all agents,")
    click.echo("then run: jobqueue signing rotate")


@signing.command()
@_unrecorded
def rotate(is_unrecorded: bool) -> None:
    """Sign with a new key from now on: the prepared one, if any. The old key stays trusted."""
    settings = Settings.from_env()
    path, prepared = settings.signing_key, _next_file(settings.signing_key)
    is_prepared = prepared.exists()
    key = pem.read_private(prepared) if is_prepared else SigningKey.generate()
    _record(settings, "rotate", pem.key_id(key.verify_key), is_unrecorded)
    _keep_trusting(settings)
    trust(settings.trusted_keys, key.verify_key)
    try:
        if is_prepared:
            prepared.replace(path)
        else:
            pem.write_private(path, key)
    except OSError as error:
        raise JobQueueError(f"The key {path} cannot be replaced: {reason_of(error)}.") from error
    click.echo(f"Work is signed by {pem.key_id(key.verify_key)} from now on; a running API switches automatically.")
    if not is_prepared:
        click.echo(f"Agents on other hosts refuse it until they have the new {settings.trusted_keys}.")
    click.echo("Once no work signed by the old key is pending: jobqueue signing retire KEY")


@signing.command()
@click.argument("key")
@_unrecorded
def retire(key: str, is_unrecorded: bool) -> None:
    """Stop trusting a key: pending work that it signed is refused. Then copy the file of trusted keys to the agents."""
    settings = Settings.from_env()
    keys = _trusted(settings.trusted_keys)
    if key not in keys:
        raise InvalidSettings(
            f"{settings.trusted_keys} does not contain the key {key}; it contains {', '.join(keys) or 'none'}."
        )
    if key == _id_of(settings.signing_key):
        raise InvalidSettings(f"Work is signed by {key} now; run `jobqueue signing rotate` first.")
    _record(settings, "retire", key, is_unrecorded)
    untrust(settings.trusted_keys, key)
    click.echo(f"{key} is no longer trusted on this host.")


def _record(settings: Settings, action: str, key: str, is_unrecorded: bool) -> None:
    """Write the audit entry before the change, which is refused otherwise, unless ``is_unrecorded``."""
    # loaded here, since the other commands need neither Redis' client nor the ledger
    audit = importlib.import_module("jobqueue.services.signing_audit")
    try:
        if not audit.record(settings, action, key=key):
            click.echo("Not in the audit trail: no API has run with this state directory yet.", err=True)
    except (LedgerUnavailable, AuditUnavailable) as error:
        if not is_unrecorded:
            raise JobQueueError(
                f"Nothing was changed, because the change cannot be recorded in the audit trail: {error.message} "
                "--unrecorded makes it anyway."
            ) from error
        click.echo(f"Not in the audit trail: {error.message}", err=True)


def _keep_trusting(settings: Settings) -> None:
    """Keep the present key trusted, since work that it signed may still be pending."""
    if settings.signing_key.exists():
        trust(settings.trusted_keys, pem.read_private(settings.signing_key).verify_key)


def _trusted(path: Path) -> pem.PublicKeys:
    try:
        return pem.read_public(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {reason_of(error)}.") from error


def _next_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _id_of(path: Path) -> str | None:
    try:
        return pem.key_id(pem.read_private(path).verify_key)
    except FileNotFoundError:
        return None
