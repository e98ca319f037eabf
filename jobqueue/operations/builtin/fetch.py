"""Fetching files from hosts: regular files, read through descriptors, within limits for the host and for the job."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError, validate

from jobqueue.errors import OperationFailed
from jobqueue.model.fetched_file import FETCH_PERMISSION, MOST_FILES, MOST_HOST_BYTES, MOST_JOB_BYTES
from jobqueue.model.pieces import in_pieces
from jobqueue.model.timestamps import to_iso
from jobqueue.operations.base import operation
from jobqueue.operations.context import Context
from jobqueue.operations.file_search import NotAFile, Search, has_wildcard
from jobqueue.operations.schema import Path as PathField
from jobqueue.operations.schema import Schema, Whole
from jobqueue.operations.text import clean

_CHUNK_BYTES = 1024 * 1024
_MOST_SKIPPED = 100
#: The units of systemd read their settings there, with the token of an API and passwords (``deploy/systemd``).
SETTINGS_FOLDER = "/etc/jobqueue"
#: Bytes of a file's entry in the answer besides its path.
_ENTRY_BYTES = 300


def _check_pattern(path: str) -> None:
    if path.endswith("/"):
        raise ValidationError("Must name files, not a directory: end it with /* for the files in a directory.")
    if "**" in path:
        raise ValidationError("Must not contain '**': a wildcard stands for one name; give each level, such as /*/*.")


class FetchSchema(Schema):
    path = PathField(
        required=True,
        validate=[validate.Length(2), _check_pattern],
        metadata={
            "description": "A file, or files with the wildcards *, ? and [...] in names. Links are not followed."
        },
    )
    max_files = Whole(
        load_default=100,
        validate=validate.Range(1, MOST_FILES),
        metadata={"description": "A host with more files sends none."},
    )
    max_bytes = Whole(
        load_default=16 * 1024**2,
        validate=validate.Range(1, MOST_HOST_BYTES),
        metadata={"description": "A host whose files have more bytes sends none."},
    )
    max_total_bytes = Whole(
        load_default=256 * 1024**2,
        validate=validate.Range(1, MOST_JOB_BYTES),
        metadata={"description": "Of all hosts together: each has an equal share."},
    )


@dataclass
class _Matches:
    """The files that will be sent: path and size; those that are not, each with the reason."""

    files: list[tuple[str, int]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    left_out: int = 0

    def skip(self, path: str, reason: str) -> None:
        if len(self.skipped) < _MOST_SKIPPED:
            self.skipped.append({"path": _shown(path), "reason": reason})
        else:
            self.left_out += 1

    @property
    def size(self) -> int:
        return sum(size for _, size in self.files)


@operation(
    "file.fetch",
    schema=FetchSchema,
    idempotent=True,
    permission=FETCH_PERMISSION,
    needs_agent_user=True,
    sends_files=True,
)
def fetch(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Send files of the host to the API, where one archive holds those of all hosts."""
    if context.sender is None:
        raise OperationFailed("Files can be sent by the agent's own user only.")
    search = Search(context.check)
    matches = _matching_files(data["path"], search, data["max_files"], context)
    _check_host(matches, data, context)
    share = data["max_total_bytes"] // context.sender.open()
    if matches.size > share:
        raise OperationFailed(
            f"Nothing was sent: the files have {matches.size} bytes, and each host of this job may send {share}, an "
            f"equal share of max_total_bytes ({data['max_total_bytes']}). Fetch fewer files, or from fewer hosts."
        )
    context.sender.reserve(matches.size)
    outgoing = _Outgoing(search, matches, context)
    for piece in in_pieces(outgoing.content()):
        context.sender.send(piece)
    answer = {"files": outgoing.sent, "bytes": sum(file["size"] for file in outgoing.sent), "skipped": matches.skipped}
    return answer | ({"skipped_more": matches.left_out} if matches.left_out else {})


def _matching_files(pattern: str, search: Search, most: int, context: Context) -> _Matches:
    """The files to send. Raises ``OperationFailed`` without any, and for more than ``most``."""
    matches = _Matches()
    is_one = not any(map(has_wildcard, pattern.split("/")))
    private = _private_paths(context)
    for path in search.paths(pattern):
        context.check()
        try:
            if any(path == own or path.startswith(f"{own}/") for own in private):
                raise NotAFile("belongs to the agent, which does not send its keys and secrets")
            if path != pattern and not context.allows({"path": path}):
                raise NotAFile("the policy of this host denies it")
            with search.opened(path) as (_, status):
                size = status.st_size
        except (NotAFile, OSError) as error:
            if is_one:
                raise OperationFailed(f"{_shown(path)}: {_reason(error)}") from error
            if not isinstance(error, FileNotFoundError):  # a directory without this file matches nothing
                matches.skip(path, _reason(error))
            continue
        matches.files.append((path, size))
        if len(matches.files) > most:
            raise OperationFailed(
                f"Nothing was sent: more than {most} files match {pattern}. Narrow the path, or raise max_files "
                f"(at most {MOST_FILES})."
            )
    if not matches.files:
        others = f"; {len(matches.skipped) + matches.left_out} other matches are not files" if matches.skipped else ""
        raise OperationFailed(f"No file matches {pattern}{others}.", {"skipped": matches.skipped})
    return matches


def _check_host(matches: _Matches, data: Mapping[str, Any], context: Context) -> None:
    """Raise ``OperationFailed`` for more bytes, or longer names, than this host may send."""
    limits = {"max_bytes": data["max_bytes"]}
    if context.settings is not None:
        limits["JOBQUEUE_MAX_FETCHED_BYTES of this host"] = context.settings.max_fetched_bytes
    name, limit = min(limits.items(), key=lambda item: item[1])
    if matches.size > limit:
        path, size = max(matches.files, key=lambda file: file[1])
        raise OperationFailed(
            f"Nothing was sent: the files have {matches.size} bytes, and the limit is {limit} ({name}). The largest is "
            f"{_shown(path)} with {size}."
        )
    if sum(len(_shown(path).encode()) * 2 + _ENTRY_BYTES for path, _ in matches.files) > context.max_result_bytes:
        raise OperationFailed("Nothing was sent: the names of the files are too long for one answer. Narrow the path.")


class _Outgoing:
    """Reads the files one after the other; ``sent`` describes those that were read."""

    def __init__(self, search: Search, matches: _Matches, context: Context) -> None:
        self._search = search
        self._matches = matches
        self._context = context
        self.sent: list[dict[str, Any]] = []

    def content(self) -> Iterator[bytes]:
        for path, size in self._matches.files:
            try:
                with self._search.opened(path) as (fd, status):
                    yield from self._read(path, fd, status, size)
            except (NotAFile, OSError) as error:  # it was removed or replaced since it was found
                raise OperationFailed(f"{_shown(path)}: {_reason(error)} (it changed while files were sent)") from error

    def _read(self, path: str, fd: int, status: os.stat_result, most: int) -> Iterator[bytes]:
        """At most as many bytes as the file had when it was found: a file that grows is sent up to there."""
        digest, size = hashlib.sha256(), 0
        while size < most and (chunk := os.read(fd, min(_CHUNK_BYTES, most - size))):
            self._context.check()
            digest.update(chunk)
            size += len(chunk)
            yield chunk
        after = os.fstat(fd)
        entry = {
            "path": _shown(path),
            "size": size,
            "sha256": digest.hexdigest(),
            "modified": to_iso(status.st_mtime_ns // 1000),
        }
        if (after.st_size, after.st_mtime_ns) != (size, status.st_mtime_ns):
            entry["changed_while_read"] = True
        self.sent.append(entry)


def _private_paths(context: Context) -> tuple[str, ...]:
    """Where the agent has its keys, its journal and the secrets of the host, and an API beside it its keys."""
    settings = context.settings
    if settings is None:
        return ()
    paths = (settings.state_dir, settings.secrets_dir, settings.signing_key, settings.tls_key)
    return tuple(os.path.realpath(path) for path in (*paths, SETTINGS_FOLDER) if path is not None)


def _shown(path: str) -> str:
    r"""The path as text; bytes that are not UTF-8 as ``\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _reason(error: Exception) -> str:
    return clean((error.strerror if isinstance(error, OSError) else None) or str(error))
