"""``jobqueue collection``: the tables that aggregations read and write, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from jobqueue.aggregation.collections.collections import CollectionInfo, Collections
from jobqueue.cli.command_group import CommandGroup
from jobqueue.cli.parameters import local_json_option
from jobqueue.cli.views.output import Column, Screen, screen
from jobqueue.cli.views.text import one_line
from jobqueue.extras import require
from jobqueue.settings import Settings

_COLUMNS = (
    Column("NAME", uncut=True),
    Column("ROWS", uncut=True, right=True),
    Column("BYTES", uncut=True, right=True),
    Column("COLUMNS", uncut=True, right=True),
    Column("CHANGED", uncut=True),
)


@click.group(cls=CommandGroup)
def collection() -> None:
    """Load, show and delete the collections in this machine's data directory (JOBQUEUE_DATA_DIR)."""
    require("jobqueue collection", "aggregation")


@collection.command()
@click.argument("name")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace the existing rows.")
@click.option("--delimiter", help="The field separator of CSV files, one character or 'tab' (default: a comma).")
@click.option("--decimal", type=click.Choice([".", ","]), help="The decimal sign of CSV files (default: a point).")
@local_json_option
def load(
    name: str, files: Sequence[Path], replace: bool, delimiter: str | None, decimal: str | None, as_json: bool
) -> None:
    """Add the rows of files to a collection, which is created if it does not exist.

    A file ends in .csv, .tsv, .json, .jsonl, .ndjson or .parquet; text may be compressed (.gz, .zst). If a row is
    invalid, the error names it, and nothing is loaded from any file.
    """
    from jobqueue.aggregation.collections.loading import load as load_files

    collections = _collections()
    separator = "\t" if delimiter in ("tab", "\\t") else delimiter
    notes: list[str] = []
    count = load_files(
        collections, name, files, replace=replace, delimiter=separator, decimal=decimal, on_note=notes.append
    )
    info = collections.info(name)
    out = screen()
    if as_json:
        out.json({"loaded": count, **({"notes": notes} if notes else {}), **_described(info)})
    else:
        for note in notes:
            out.line(note)
        out.line(f"{count} rows loaded; {name} has {info.rows} rows now.")


@collection.command("list")
@local_json_option
def list_collections(as_json: bool) -> None:
    """List all collections."""
    collections = _collections()
    infos = [collections.info(name) for name in collections.names()]
    out = screen()
    if as_json:
        out.json({"collections": [_described(info) for info in infos], "total": len(infos)})
    else:
        rows = [[info.name, info.rows, info.size, len(info.columns), out.when(_when(info))] for info in infos]
        out.table(_COLUMNS, rows, empty="No collections.")


@collection.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Number of rows to show.")
@local_json_option
def show(name: str, limit: int, as_json: bool) -> None:
    """Show a collection: its columns, and some of its rows."""
    collections = _collections()
    info = collections.info(name)
    rows = collections.head(name, limit)
    out = screen()
    if as_json:
        out.json({**_described(info), "items": rows})
    else:
        _show(out, info, rows)


@collection.command()
@click.argument("name")
def delete(name: str) -> None:
    """Delete a collection. Runs that already read it continue with their data."""
    _collections().delete(name)
    screen().line(f"{name} is deleted.")


def _collections() -> Collections:
    return Collections(Settings.from_env().data_dir)


def _when(info: CollectionInfo) -> str:
    moment = datetime.fromtimestamp(info.modified, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _described(info: CollectionInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "rows": info.rows,
        "bytes": info.size,
        "columns": info.columns,
        "changed": _when(info),
    }


def _show(out: Screen, info: CollectionInfo, rows: Sequence[dict[str, Any]]) -> None:
    out.fields([("Name", info.name), ("Rows", info.rows), ("Bytes", info.size), ("Changed", out.when(_when(info)))])
    out.heading("Columns")
    for name, kind in info.columns.items():
        out.line(f"  {one_line(name)}  {kind}")
    if rows:
        out.heading("Rows")
        out.table([Column(one_line(name)) for name in info.columns], [list(row.values()) for row in rows])
