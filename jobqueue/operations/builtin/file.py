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
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from jobqueue.errors import OperationFailed
from jobqueue.model.stored_object import TEMPLATE
from jobqueue.model.timestamps import to_iso
from jobqueue.operations.base import OTHER_CODE, operation
from jobqueue.operations.builtin.host import user_and_group
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, state_diff, unified_diff
from jobqueue.operations.context import Context
from jobqueue.operations.deployed import note
from jobqueue.operations.object_reference import (
    Buffer,
    Content,
    ObjectSchema,
    is_template,
    object_content,
    object_permissions,
    with_source,
)
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Document, Flag, Schema, Text, shape
from jobqueue.operations.schema import Path as PathField
from jobqueue.operations.template_rendering import rendered
from jobqueue.operations.text import brief, clean

_CHUNK_BYTES = 1024 * 1024
#: Longer files are not compared line by line, nor read for it.
_MOST_COMPARED_BYTES = 256 * 1024
_QUOTED_BYTES = 2000
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


def check_validation(command: str) -> None:
    """Raise ``ValidationError`` unless the words of a command can be told apart, and one names the file."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValidationError(f"Is not a command line: {error}.") from error
    if not any("%s" in word for word in words[1:]):
        raise ValidationError("Must have an argument with %s, which stands for the new file.")


class PathSchema(Schema):
    path = PathField(required=True, validate=validate.Length(2))


class DeploySchema(PathSchema, ObjectSchema, ChangeSchema):
    content = Document(metadata={"description": "The content, in place of an object."})
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
    validation = Text(
        data_key="validate",
        validate=[validate.Length(1, 1000), check_validation],
        metadata={
            "description": "A program with arguments that checks the new file, %s, before it is put in place; no shell."
        },
    )
    backup = Flag(
        load_default=False, metadata={"description": "Keep the file that is replaced, as PATH.TIME~ beside it."}
    )

    @validates_schema
    def _one_source(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if "content" not in data and "object" not in data:
            raise ValidationError("Missing data for required field: give content or object.", "content")
        if "content" in data and "object" in data:
            raise ValidationError("Give either content or object.", "content")
        if "object" in data and data["encoding"] != "text":
            raise ValidationError("Only with content.", "encoding")

    @validates_schema
    def _decodable(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if data["encoding"] == "base64" and "content" in data:
            try:
                _bytes(data["content"])
            except (binascii.Error, ValueError):
                raise ValidationError("Must be base64.", "content") from None


@dataclass(frozen=True)
class _RequestedFile:
    """The wanted properties of a deployed file; None leaves a property unchanged."""

    content: Buffer
    mode: int | None
    uid: int | None
    gid: int | None

    def has_attributes_of(self, status: os.stat_result) -> bool:
        return (
            self.mode in (None, stat.S_IMODE(status.st_mode))
            and self.uid in (None, status.st_uid)
            and self.gid in (None, status.st_gid)
        )


def _deploy_permissions(data: Mapping[str, Any]) -> tuple[str, ...]:
    return (*object_permissions(data), *(("command:execute",) if "validate" in data else ()))


@operation(
    "file.deploy.execute",
    schema=DeploySchema,
    changes=True,
    idempotent=True,
    permission="file:write",
    code={"validate": OTHER_CODE},
    prepare=with_source,
    further_permissions=_deploy_permissions,
)
def deploy_execute(data: dict[str, Any], context: Context) -> Outcome:
    """Put a file in place in one step: readers see the old one or the new one, never a part."""
    with _content(data, context) as content:
        try:
            return _deployed(data, content, context)
        except OSError as error:
            raise _failed(data["path"], error) from error


@contextlib.contextmanager
def _content(data: Mapping[str, Any], context: Context) -> Iterator[Content]:
    if "object" in data:
        with object_content(data, context) as content:
            yield content
        return
    text: str = data["content"]
    plain = _bytes(text) if data["encoding"] == "base64" else text.encode()
    yield Content(rendered(plain, data, context) if is_template(data) else plain)


def _deployed(data: Mapping[str, Any], content: Content, context: Context) -> Outcome:
    path: str = data["path"]
    file = _requested_file(data, content.data)
    before = _regular(path)
    is_same = before is not None and _holds(path, file.content)
    change = Change(before is None or not (is_same and file.has_attributes_of(before)))
    check, diff = data.get("check", False), data.get("diff", False)
    if change.changed and (check or diff):
        change = Change(True, _difference(path, file, before, is_same=is_same))
    if check:
        return change_outcome(change, data, {"path": path})
    if data["create_parents"]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    notes = _put(path, file, before, data, context, is_same=is_same) if change.changed else {}
    trouble = note(context.deployments, path, content, "file", context.job_id)
    answer = {**_describe(path, os.lstat(path), hashlib.sha256(file.content).hexdigest()), **notes}
    if trouble:
        answer["notice"] = "; ".join([*([answer["notice"]] if "notice" in answer else []), trouble])
    return change_outcome(change, {"check": False, "diff": diff}, answer)


def _put(
    path: str,
    file: _RequestedFile,
    before: os.stat_result | None,
    data: Mapping[str, Any],
    context: Context,
    *,
    is_same: bool,
) -> dict[str, Any]:
    """Change the file; returns fields to add to the answer."""
    if is_same:
        _set_attributes(path, file)
        return {}
    notes: dict[str, Any] = {}

    def accept(temporary: str) -> None:
        if "validation" in data:
            _validate(data["validation"], temporary, path, context)
        if data.get("backup") and before is not None:
            notes["backup"] = _back_up(path)

    _replace(path, file, before, accept)
    links = _other_names(before, path)
    if links:
        notes["notice"] = _SEPARATED.format(links, "s" if links > 1 else "")
    return notes


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
    if context.deployments is not None:
        context.deployments.forget(path)
    changed = status is not None
    return Outcome({"path": path, "changed": changed}, changed)


class StatusSchema(PathSchema, ObjectSchema):
    class Meta:
        exclude = ("content_type", "vars")


@operation("file.status.get", schema=StatusSchema, permission="file:read", prepare=with_source)
def status_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Whether a file exists, its kind, size, mode, owner and SHA-256, and how it compares with an object."""
    path: str = data["path"]
    try:
        status = os.lstat(path)
        is_file = stat.S_ISREG(status.st_mode)
        answer = _describe(path, status, _digest(path, context) if is_file else None)
        if stat.S_ISLNK(status.st_mode):
            answer["target"] = clean(str(Path(path).readlink()))
        return answer | _compared(answer, data, context)
    except (FileNotFoundError, NotADirectoryError):
        return {"path": path, "exists": False} | _compared({}, data, context)
    except OSError as error:
        raise _failed(path, error) from error


def _compared(answer: Mapping[str, Any], data: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """How the file compares with the object that the data names, or that was deployed at the path.

    ``sync`` is in-sync, drifted (changed on the host since), or missing; ``version`` that of the object.
    """
    deployed = context.deployments.get(data["path"]) if context.deployments is not None else None
    source = data.get("source")
    if source is not None:
        if deployed is None or deployed.object_sha256 != source["sha256"] or deployed.object != data["object"]:
            expected, is_known = source["sha256"], source["content_type"] != TEMPLATE
        else:
            expected, is_known = deployed.sha256, True
        reference = {"object": data["object"], "version": source["version"]}
    elif deployed is not None:
        expected, is_known, reference = deployed.sha256, True, {"object": deployed.object, "version": deployed.version}
    else:
        return {}
    if not answer:
        return {**reference, "sync": "missing"}
    # the result of a template that was not deployed here is not known
    return {**reference, "sync": "in-sync" if is_known and answer.get("sha256") == expected else "drifted"}


def _requested_file(data: Mapping[str, Any], content: Buffer) -> _RequestedFile:
    return _RequestedFile(
        content=content,
        mode=int(data["mode"], 8) if "mode" in data else None,
        uid=_user(data["owner"]) if "owner" in data else None,
        gid=_group(data["group"]) if "group" in data else None,
    )


def _validate(command: str, temporary: str, path: str, context: Context) -> None:
    """Run the program that checks a new file. Raises ``OperationFailed`` with its words if it fails."""
    argv = [word.replace("%s", temporary) for word in shlex.split(command)]
    result = context.run(argv, env={"LC_ALL": "C.UTF-8"})
    if result.exit_code != 0:
        printed = (result.stderr.text(_QUOTED_BYTES) or result.stdout.text(_QUOTED_BYTES)).strip()
        raise OperationFailed(
            f"{path} was left as it was: {argv[0]} refused the new file ({result.ending}): {brief(printed, 1000)}",
            result.tails(),
        )


def _back_up(path: str) -> str:
    """Keep the file under another name; returns the name. It is the same file, so nothing of it is lost."""
    backup = f"{path}.{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%f}Z~"
    os.link(path, backup, follow_symlinks=False)
    return backup


def _difference(path: str, file: _RequestedFile, before: os.stat_result | None, *, is_same: bool) -> str:
    """What a deployment changes, as a unified diff of the content and a diff of the attributes."""
    text = "" if is_same else _content_diff(path, file, before)
    if before is None:
        return text
    old = {"mode": f"{stat.S_IMODE(before.st_mode):04o}", "uid": before.st_uid, "gid": before.st_gid}
    new = {
        "mode": old["mode"] if file.mode is None else f"{file.mode:04o}",
        "uid": before.st_uid if file.uid is None else file.uid,
        "gid": before.st_gid if file.gid is None else file.gid,
    }
    return text + state_diff(path, old, new)


def _content_diff(path: str, file: _RequestedFile, before: os.stat_result | None) -> str:
    sizes = (before.st_size if before else 0, len(file.content))
    old = b""
    if max(sizes) <= _MOST_COMPARED_BYTES:
        if before is not None:
            with _opened(path) as fd, os.fdopen(fd, "rb", closefd=False) as stream:
                old = stream.read(_MOST_COMPARED_BYTES)
        with contextlib.suppress(UnicodeDecodeError):
            return unified_diff(old.decode(), file.content[:].decode(), path)
    return f"{path}: {sizes[0]} bytes before and {sizes[1]} after, not compared: too long, or not text\n"


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


def _holds(path: str, content: Buffer) -> bool:
    with _opened(path) as fd, os.fdopen(fd, "rb", closefd=False) as file, memoryview(content) as expected:
        if os.fstat(fd).st_size != len(expected):
            return False
        position = 0
        while chunk := file.read(_CHUNK_BYTES):
            with expected[position : position + len(chunk)] as part:
                if part != chunk:
                    return False
            position += len(chunk)
        return position == len(expected)


def _set_attributes(path: str, file: _RequestedFile) -> None:
    with _opened(path) as fd:
        _own(fd, file.uid, file.gid)
        if file.mode is not None:
            os.fchmod(fd, file.mode)


def _replace(
    path: str, requested: _RequestedFile, status: os.stat_result | None, accept: Callable[[str], None]
) -> None:
    """Write beside ``path``, then rename over it; unspecified owner, group and mode are kept from the old file.

    ``accept`` gets the name of the new file before that; if it raises, nothing is changed.
    """
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
        accept(temporary)
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
