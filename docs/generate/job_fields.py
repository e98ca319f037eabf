"""The fields of a job, as a table."""

from __future__ import annotations

from docs.generate.markdown import code, table
from jobqueue.model.job_fields import FIELDS, JobField


def text() -> str:
    """One row for each field that a caller gives."""
    columns = ("field", "is", "holds", "signed", "in the hash", "in the API", "index", "kept by a retry")
    return table(columns, [_row(field) for field in FIELDS])


def _row(field: JobField) -> tuple[str, ...]:
    return (
        code(field.name),
        field.kind.value,
        field.meaning,
        _mark(field.is_signed),
        code(field.stored) if field.stored else "",
        code(field.shown_as) if field.is_shown else "",
        _mark(field.is_indexed),
        _mark(field.is_renewed),
    )


def _mark(value: bool) -> str:
    return "yes" if value else ""
