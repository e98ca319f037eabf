"""``jobqueue operation``: what agents can do."""

from __future__ import annotations

import json
from typing import Any

import click

from jobqueue.cli.candidates import operations_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.parameters import json_option
from jobqueue.cli.submission import unknown_operation
from jobqueue.cli.views.answer_view import show_table
from jobqueue.cli.views.output import Column, screen
from jobqueue.errors import UnknownOperation

_COLUMNS = (
    Column("TYPE", uncut=True),
    Column("CHANGES", uncut=True),
    Column("IDEMPOTENT", uncut=True),
    Column("PERMISSION"),
    Column("SUMMARY"),
)


@click.group(cls=ClientGroup)
def operation() -> None:
    """List the operations that agents support."""


@operation.command("list")
@json_option
def list_operations(as_json: bool) -> None:
    """List the types of operations."""
    with connect() as client:
        page = client.operations()
    names = [column.name.lower() for column in _COLUMNS]
    show_table(
        page,
        _COLUMNS,
        page["operations"],
        lambda _, item: [item.get(name) for name in names],
        empty="No operations.",
        as_json=as_json,
    )


@operation.command()
@click.argument("operation_type", metavar="TYPE", shell_complete=operations_like)
@json_option
def show(operation_type: str, as_json: bool) -> None:
    """Show one type of operation, with the JSON Schema of its data."""
    with connect() as client:
        by_type = {str(item.get("type")): item for item in client.operations()["operations"]}
    if operation_type not in by_type:
        raise UnknownOperation(unknown_operation(operation_type, by_type))
    details: dict[str, Any] = by_type[operation_type]
    out = screen()
    if as_json:
        out.json(details)
        return
    out.fields([(name.replace("_", " ").capitalize(), value) for name, value in details.items() if name != "schema"])
    out.heading("Data (JSON Schema)")
    for line in json.dumps(details.get("schema"), indent=2).splitlines():
        out.line(line)
