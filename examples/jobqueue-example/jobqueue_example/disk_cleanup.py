"""An operation that changes the host, and says honestly whether it did."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, validate

from jobqueue import Context, OperationFailed, Outcome, Schema, operation
from jobqueue.operations.schema import Flag, Number, Text, shape
from jobqueue.operations.schema import Path as PathField
from jobqueue.operations.text import clean

_SECONDS_PER_DAY = 86_400
_MAX_LISTED = 20


def _not_near_the_root(path: str) -> None:
    if len(Path(path).parts) < 3:  # "/", "var", "cache"
        raise ValidationError("Must be at least two levels below the root.")


class DiskCleanupSchema(Schema):
    directory = PathField(required=True, validate=_not_near_the_root)
    pattern = Text(load_default="*", **shape(r"[^/]{1,200}", "Must be a pattern of file names, such as *.log."))
    older_than_days = Number(load_default=7.0, validate=validate.Range(0, 36_500))
    dry_run = Flag(load_default=True, metadata={"description": "Only count what would be removed."})


@dataclass(frozen=True)
class _Old:
    path: Path
    size: int


# Removing what is old already does no harm when it is done twice, so it is idempotent although it changes the host.
# Isolated, because a file system can hang: the child process is killed at the timeout, a thread could not be.
@operation(
    "example.disk_cleanup.do",
    schema=DiskCleanupSchema,
    changes=True,
    idempotent=True,
    permission="file:write",
    isolated=True,
)
def disk_cleanup(data: dict[str, Any], context: Context) -> Outcome:
    """Remove old files below a directory; with dry_run (the default), only count them."""
    directory = Path(data["directory"])
    if not directory.is_dir():
        raise OperationFailed(f"{directory} is not a directory on this host.")
    before = time.time() - data["older_than_days"] * _SECONDS_PER_DAY
    files = size = 0
    failures: list[str] = []
    for old in _old_files(directory, data["pattern"], before):
        context.check()
        if not data["dry_run"]:
            try:
                old.path.unlink(missing_ok=True)
            except OSError as error:  # one file that cannot go must not keep the others
                failures.append(clean(f"{old.path}: {error.strerror}"))
                continue
        files += 1
        size += old.size
    if failures and not files:
        raise OperationFailed(f"No file could be removed, {len(failures)} failed; the first: {failures[0]}")
    answer = {"files": files, "bytes": size, "dry_run": data["dry_run"], "failed": failures[:_MAX_LISTED]}
    return Outcome(answer, changed=files > 0 and not data["dry_run"])


def _old_files(directory: Path, pattern: str, before: float) -> Iterator[_Old]:
    """Regular files not changed since ``before`` (seconds since the epoch); links are neither followed nor removed."""
    for path in sorted(directory.rglob(pattern)):
        if path.is_symlink() or not path.is_file():
            continue
        found = path.lstat()
        if found.st_mtime < before:
            yield _Old(path, found.st_size)
