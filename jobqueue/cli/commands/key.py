"""``jobqueue key``: credentials for programs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from jobqueue.cli.access import COLUMNS, grants, row, show_secret
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.each import name_each
from jobqueue.cli.parameters import json_option
from jobqueue.cli.views.answer_view import show_table
from jobqueue.cli.views.output import Column, screen
from jobqueue.client import Client


@click.group(cls=ClientGroup)
def key() -> None:
    """Manage API keys, the credentials of programs."""


@key.command()
@click.argument("name")
@grants
@json_option
def create(name: str, roles: Sequence[str], permissions: Sequence[str], expires_at: str | None, as_json: bool) -> None:
    """Create a key and print it. NAME identifies its user in jobs and the audit trail."""
    with connect() as client:
        key = client.create_key(name, roles=roles, permissions=permissions, expires_at=expires_at)
    if as_json:
        screen().json(key)
    else:
        show_secret(key["key"], f"the key {key['id']}")


@key.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List all keys, without their secrets."""
    with connect() as client:
        page = client.keys()
    columns = (Column("ID", uncut=True), Column("NAME", uncut=True), *COLUMNS)
    show_table(
        page,
        columns,
        page["keys"],
        lambda out, key: [key.get("id"), key.get("name"), *row(out, key)],
        empty="No keys; `jobqueue key create` creates one.",
        as_json=as_json,
    )


@key.command()
@click.argument("key_ids", metavar="ID...", nargs=-1, required=True)
def revoke(key_ids: Sequence[str]) -> None:
    """Revoke keys. A revoked key is refused within two seconds."""
    name_each(key_ids, Client.revoke_key, "revoked")
