"""Files: deploy, remove, inspect. Regular files only; links and directories are refused rather than followed."""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import grp
import hashlib
import os
import pwd
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from jobqueue.errors import OperationFailed
from jobqueue.model.timestamps import to_iso
from jobqueue.operations.base import operation
from jobqueue.operations.builtin.host import user_and_group
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Document, Flag, Schema, Text, shape
from jobqueue.operations.schema import Path as PathField
from jobqueue.operations.text import clean

_CHUNK_BYTES = 1024 * 1024
_NEW_FILE_MODE = 0o644
_SEPARATED = "the file had {} other name{} (hard links), which keep the old content: this one is now a separate file"
#: Prefix of temporary files that are not yet in place.
_TEMPORARY = ".jobqueue-"
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "device",
    stat.S_IFCHR: "device",
}


class PathSchema(Schema):
    path = PathField(required=True, validate=validate.Length(2))


class DeploySchema(PathSchema):
    content = Document(required=True)
    encoding = Text(load_default="text", validate=validate.OneOf(["text", "base64"]))
    mode = Text(
        **shape(
            r"0?[0-7]{3,4}",
            'Must be octal digits in a string, such as "0644"; default: unchanged, or 0644 for a new file.',
        ),
    )
    owner = Text(validate=validate.Length(1, 100), metadata={"description": "A user's name or number."})
    group = Text(validate=validate.Length(1, 100), metadata={"description": "A group's name or number."})
    create_parents = Flag(load_default=False, metadata={"description": "Make missing directories."})

    @validates_schema
    def _decodable(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if data["encoding"] == "base64":
            try:
                _bytes(data["content"])
            except (binascii.Error, ValueError):
                raise ValidationError("Must be base64.", "content") from None


@dataclass(frozen=True)
class _RequestedFile:
    """The wanted properties of a deployed file; None leaves a property unchanged."""

    content: bytes
    mode: int | None
    uid: int | None
    gid: int | None

    def has_attributes_of(self, status: os.stat_result) -> bool:
        return (
            self.mode in (None, stat.S_IMODE(status.st_mode))
            and self.uid in (None, status.st_uid)
            and self.gid in (None, status.st_gid)
        )


@operation("file.deploy.execute", schema=DeploySchema, changes=True, idempotent=True, permission="file:write")
def deploy_execute(data: dict[str, Any], context: Context) -> Outcome:
    """Put a file in place in one step: readers see the old one or the new one, never a part."""
    path: str = data["path"]
    file = _requested_file(data)
    try:
        if data["create_parents"]:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        before = _regular(path)
        changed = _deploy(path, file)
        answer = _describe(path, os.lstat(path), hashlib.sha256(file.content).hexdigest())
    except OSError as error:
        raise _failed(path, error) from error
    links = _other_names(before, path)
    notice = {"notice": _SEPARATED.format(links, "s" if links > 1 else "")} if links else {}
    return Outcome({**answer, "changed": changed, **notice}, changed)


@operation("file.undeploy.execute", schema=PathSchema, changes=True, idempotent=True, permission="file:write")
def undeploy_execute(data: dict[str, Any], context: Context) -> Outcome:
    """Remove a file; does nothing if it does not exist."""
    path: str = data["path"]
    try:
        status = _regular(path)
        if status is not None:
            Path(path).unlink()
            _sync_directory(path)
    except OSError as error:
        raise _failed(path, error) from error
    changed = status is not None
    return Outcome({"path": path, "changed": changed}, changed)


@operation("file.status.get", schema=PathSchema, permission="file:read")
def status_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Whether a file exists, and its kind, size, mode, owner and SHA-256."""
    path: str = data["path"]
    try:
        status = os.lstat(path)
        is_file = stat.S_ISREG(status.st_mode)
        answer = _describe(path, status, _digest(path, context) if is_file else None)
        if stat.S_ISLNK(status.st_mode):
            answer["target"] = clean(str(Path(path).readlink()))
        return answer
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "exists": False}
    except OSError as error:
        raise _failed(path, error) from error


def _requested_file(data: Mapping[str, Any]) -> _RequestedFile:
    text: str = data["content"]
    return _RequestedFile(
        content=_bytes(text) if data["encoding"] == "base64" else text.encode(),
        mode=int(data["mode"], 8) if "mode" in data else None,
        uid=_user(data["owner"]) if "owner" in data else None,
        gid=_group(data["group"]) if "group" in data else None,
    )


def _other_names(before: os.stat_result | None, path: str) -> int:
    """The number of other names of the file replaced at ``path``; 0 if it is still the same file."""
    if before is None or os.lstat(path).st_ino == before.st_ino:
        return 0
    return before.st_nlink - 1


def _bytes(text: str) -> bytes:
    """What ``text`` is in base64, on one line or on many. Raises ``ValueError``."""
    return base64.b64decode("".join(text.split()), validate=True)


def _user(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return _number("user", name)


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return _number("group", name)


def _number(kind: str, name: str) -> int:
    if name.isascii() and name.isdigit() and int(name) < 2**32 - 1:  # the last one means "leave it" to chown
        return int(name)
    raise OperationFailed(f"This host has no {kind} {name!r}.")


def _deploy(path: str, file: _RequestedFile) -> bool:
    status = _regular(path)
    if status is not None and _holds(path, file.content):
        if file.has_attributes_of(status):
            return False
        _set_attributes(path, file)
        return True
    _replace(path, file, status)
    return True


def _regular(path: str) -> os.stat_result | None:
    """The file's status, or None if it does not exist; anything but a regular file is refused."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "special file")
        raise OperationFailed(f"{path} is a {kind}, not a regular file; it was not changed.")
    return status


@contextlib.contextmanager
def _opened(path: str) -> Any:
    """A descriptor for reading; a link that was put there meanwhile is refused."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _holds(path: str, content: bytes) -> bool:
    with _opened(path) as fd:
        if os.fstat(fd).st_size != len(content):
            return False
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(len(content) + 1) == content


def _set_attributes(path: str, file: _RequestedFile) -> None:
    with _opened(path) as fd:
        _own(fd, file.uid, file.gid)
        if file.mode is not None:
            os.fchmod(fd, file.mode)


def _replace(path: str, requested: _RequestedFile, status: os.stat_result | None) -> None:
    """Write beside ``path``, then rename over it; unspecified owner, group and mode are kept from the old file."""
    old_mode = stat.S_IMODE(status.st_mode) if status else _NEW_FILE_MODE
    fd, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=Path(path).parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(requested.content)
            file.flush()
            uid = requested.uid if requested.uid is not None or status is None else status.st_uid
            gid = requested.gid if requested.gid is not None or status is None else status.st_gid
            _own(fd, uid, gid)
            os.fchmod(
                fd, requested.mode if requested.mode is not None else old_mode
            )  # after chown, which clears set-id bits
            os.fsync(fd)
        try:
            Path(temporary).rename(path)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise OperationFailed(
                    f"{path} is a mount point, such as a file that is bind-mounted into a container: it cannot be "
                    "replaced in one step, and was left as it was. Deploy to the file that is mounted, or mount its "
                    "directory."
                ) from error
            raise
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    _sync_directory(path)


def _own(fd: int, uid: int | None, gid: int | None) -> None:
    status = os.fstat(fd)
    if uid in (None, status.st_uid) and gid in (None, status.st_gid):
        return  # no change is needed, and chown would need privileges
    os.fchown(fd, -1 if uid is None else uid, -1 if gid is None else gid)


def _sync_directory(path: str) -> None:
    """Make a rename or removal last through a power cut."""
    fd = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _digest(path: str, context: Context) -> str:
    digest = hashlib.sha256()
    with _opened(path) as fd, os.fdopen(fd, "rb", closefd=False) as file:
        while chunk := file.read(_CHUNK_BYTES):
            context.check()
            digest.update(chunk)
    return digest.hexdigest()


def _describe(path: str, status: os.stat_result, sha256: str | None) -> dict[str, Any]:
    owner, group = user_and_group(status.st_uid, status.st_gid)
    return {
        "path": path,
        "exists": True,
        "type": _KINDS.get(stat.S_IFMT(status.st_mode), "special file"),
        "size": status.st_size,
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "owner": owner,
        "group": group,
        "uid": status.st_uid,
        "gid": status.st_gid,
        "modified": to_iso(status.st_mtime_ns // 1000),
        "sha256": sha256,
    }


def _failed(path: str, error: OSError) -> OperationFailed:
    name = str(error.filename or path)
    if Path(name).name.startswith(_TEMPORARY):  # users do not know the temporary file: report the directory
        name = str(Path(name).parent)
        if isinstance(error, FileNotFoundError):
            return OperationFailed(f"{path}: the directory {clean(name)} does not exist; create_parents creates it.")
    where = f" ({clean(name)})" if name != path else ""
    return OperationFailed(f"{path}: {error.strerror or error}{where}")
