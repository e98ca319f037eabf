"""``jobqueue signing``: the keys by which agents know that work comes from the API. Works on files, not on the API."""

from __future__ import annotations

from pathlib import Path

import click
from nacl.signing import SigningKey

from jobqueue.cli.parameters import json_option
from jobqueue.cli.views.output import Column, screen
from jobqueue.errors import InvalidSettings, JobQueueError
from jobqueue.settings import Settings
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.signer import trust, untrust

_COLUMNS = (Column("KEY", whole=True), Column("USE"), Column("FINGERPRINT", whole=True))


@click.group()
def signing() -> None:
    """See and change the keys that sign work. Run it where the API runs.

    The API signs with one private key (JOBQUEUE_SIGNING_KEY). Agents trust the public keys in their own copy of one
    file (JOBQUEUE_TRUSTED_KEYS), and both look at their files again by themselves.
    """


@signing.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List the keys that are trusted, and which of them signs."""
    settings = Settings.from_env()
    known = _trusted(settings.trusted_keys)
    current, following = _id_of(settings.signing_key), _id_of(_next_file(settings.signing_key))
    uses = {current: "signs", following: "signs after the next rotation"}
    rows = [(name, uses.get(name, "still trusted"), pem.fingerprint(key)) for name, key in known.items()]
    if as_json:
        names = [column.name.lower() for column in _COLUMNS]
        screen().json({"keys": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        screen().table(_COLUMNS, rows)


@signing.command()
def prepare() -> None:
    """Make the next key and trust it, without signing by it yet.

    Copy the file of trusted keys to the agents' hosts then, and rotate: no work is refused meanwhile.
    """
    settings = Settings.from_env()
    key, _ = pem.ensure_private(_next_file(settings.signing_key))
    trust(settings.trusted_keys, key.verify_key)
    click.echo(f"Key {pem.key_id(key.verify_key)} is ready. Copy {settings.trusted_keys} to the hosts of all agents,")
    click.echo("then run: jobqueue signing rotate")


@signing.command()
def rotate() -> None:
    """Sign by a new key from now on: the one that was prepared, if there is one. The old one stays trusted."""
    settings = Settings.from_env()
    path, prepared = settings.signing_key, _next_file(settings.signing_key)
    is_prepared = prepared.exists()
    key = pem.read_private(prepared) if is_prepared else SigningKey.generate()
    _keep_trusting(settings)
    trust(settings.trusted_keys, key.verify_key)
    try:
        if is_prepared:
            prepared.replace(path)
        else:
            pem.write_private(path, key)
    except OSError as error:
        raise JobQueueError(f"The key {path} cannot be replaced: {error.strerror}.") from error
    click.echo(f"Work is signed by {pem.key_id(key.verify_key)} from now on; a running API notices by itself.")
    if not is_prepared:
        click.echo(f"Agents on other hosts refuse it until they have the new {settings.trusted_keys}.")
    click.echo("When no work signed by the old key waits any more: jobqueue signing retire KEY")


@signing.command()
@click.argument("key")
def retire(key: str) -> None:
    """Trust a key no more; work that it signed and that still waits is refused. Copy the file to the agents then."""
    settings = Settings.from_env()
    known = _trusted(settings.trusted_keys)
    if key not in known:
        raise InvalidSettings(f"{settings.trusted_keys} holds no key {key}; it has {', '.join(known) or 'none'}.")
    if key == _id_of(settings.signing_key):
        raise InvalidSettings(f"Work is signed by {key} now; run `jobqueue signing rotate` first.")
    untrust(settings.trusted_keys, key)
    click.echo(f"{key} is trusted no more on this host.")


def _keep_trusting(settings: Settings) -> None:
    """What the old key signed still waits."""
    if settings.signing_key.exists():
        trust(settings.trusted_keys, pem.read_private(settings.signing_key).verify_key)


def _trusted(path: Path) -> pem.PublicKeys:
    try:
        return pem.read_public(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}.") from error


def _next_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.next")


def _id_of(path: Path) -> str | None:
    try:
        return pem.key_id(pem.read_private(path).verify_key)
    except FileNotFoundError:
        return None
