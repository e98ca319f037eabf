"""Objects on a screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.output import Column, Screen

COLUMNS = (
    Column("NAME", uncut=True),
    Column("VERSION", right=True),
    Column("BYTES", right=True),
    Column("TYPE", uncut=True),
    Column("STORED", uncut=True),
    Column("BY"),
    Column("SHA256"),
)
VERSIONS = COLUMNS[1:]
STALE = (
    Column("HOST", uncut=True),
    Column("PATH", uncut=True),
    Column("OBJECT", uncut=True),
    Column("VERSION", right=True),
    Column("NEWEST", right=True),
    Column("DEPLOYED", uncut=True),
    Column("JOB"),
)


def version_row(out: Screen, version: Mapping[str, Any]) -> list[Any]:
    """A row of ``VERSIONS``."""
    return [
        version.get("version"),
        version.get("size"),
        version.get("content_type"),
        out.when(version.get("stored_at")),
        version.get("stored_by"),
        version.get("sha256"),
    ]


def file_row(out: Screen, file: Mapping[str, Any]) -> list[Any]:
    """A row of ``COLUMNS``."""
    return [file.get("name"), *version_row(out, file)]


def stale_row(out: Screen, stale: Mapping[str, Any]) -> list[Any]:
    """A row of ``STALE``."""
    return [
        *(stale.get(name) for name in ("hostname", "path", "object", "version", "current_version")),
        out.when(stale.get("deployed_at")),
        stale.get("job_id"),
    ]
