"""file.deploy.execute, file.undeploy.execute and file.status.get."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationCancelled, OperationFailed
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

DEPLOY, UNDEPLOY, STATUS = "file.deploy.execute", "file.undeploy.execute", "file.status.get"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "motd"
    outcome = perform(DEPLOY, {"path": str(path), "content": "grüße\n", "mode": "0600"})
    assert path.read_bytes() == "grüße\n".encode()
    assert _mode(path) == 0o600
    assert outcome.changed is True
    assert outcome.data["changed"] is True
    assert outcome.data["sha256"] == hashlib.sha256("grüße\n".encode()).hexdigest()
    assert (outcome.data["mode"], outcome.data["size"], outcome.data["uid"]) == ("0600", 8, os.geteuid())
    assert list(tmp_path.iterdir()) == [path]  # no temporary file stays


def test_the_default_mode_does_not_depend_on_the_umask(perform: Perform, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        perform(DEPLOY, {"path": str(tmp_path / "f"), "content": ""})
    finally:
        os.umask(old)
    assert _mode(tmp_path / "f") == 0o644


def test_twice_changes_nothing(perform: Perform, tmp_path: Path) -> None:
    data = {"path": str(tmp_path / "f"), "content": "x", "mode": "640"}
    perform(DEPLOY, data)
    before = (tmp_path / "f").stat()
    outcome = perform(DEPLOY, data)
    assert outcome.changed is False
    assert outcome.data["changed"] is False
    after = (tmp_path / "f").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_other_content_replaces_it_and_keeps_the_mode(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o751)
    with path.open() as reader:
        outcome = perform(DEPLOY, {"path": str(path), "content": "new"})
        assert reader.read() == "old"  # a reader that has it open keeps a whole file
    assert outcome.changed is True
    assert path.read_text() == "new"
    assert _mode(path) == 0o751


def test_another_mode_alone_is_a_change(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("same")
    inode = path.stat().st_ino
    outcome = perform(DEPLOY, {"path": str(path), "content": "same", "mode": "4711"})
    assert outcome.changed is True
    assert outcome.data["mode"] == "4711"
    assert (_mode(path), path.stat().st_ino) == (0o4711, inode)


def test_base64(perform: Perform, tmp_path: Path) -> None:
    content = bytes(range(256))
    perform(DEPLOY, {"path": str(tmp_path / "b"), "content": base64.b64encode(content).decode(), "encoding": "base64"})
    assert (tmp_path / "b").read_bytes() == content


@ROOT_ONLY
def test_owner_and_group_by_name_or_number(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "f"
    data = {"path": str(path), "content": "x", "owner": "nobody", "group": "12345"}
    outcome = perform(DEPLOY, data)
    assert (outcome.data["owner"], outcome.data["group"], path.stat().st_gid) == ("nobody", "12345", 12345)
    assert perform(DEPLOY, data).changed is False
    assert perform(DEPLOY, {**data, "content": "y", "owner": "0"}).data["uid"] == 0
    assert perform(DEPLOY, {"path": str(path), "content": "z"}).data["gid"] == 12345  # kept when not asked for


@pytest.mark.parametrize(("key", "value"), [("owner", "no-such-user"), ("group", "99999999999"), ("owner", "²")])
def test_an_unknown_owner_fails(perform: Perform, tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(OperationFailed, match="This host has no"):
        perform(DEPLOY, {"path": str(tmp_path / "f"), "content": "x", key: value})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_fails_or_is_made(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "f"
    with pytest.raises(
        OperationFailed, match=r"the directory .*/a/b does not exist; create_parents creates it"
    ) as caught:
        perform(DEPLOY, {"path": str(path), "content": "x"})
    assert ".jobqueue-" not in caught.value.message  # an internal name, which means nothing to a user
    assert perform(DEPLOY, {"path": str(path), "content": "x", "create_parents": True}).changed is True
    assert path.read_text() == "x"


@pytest.mark.parametrize("kind", ["link", "directory", "pipe"])
@pytest.mark.parametrize("type", [DEPLOY, UNDEPLOY])
def test_a_special_file_is_left_alone(perform: Perform, tmp_path: Path, kind: str, type: str) -> None:
    path, target = tmp_path / "it", tmp_path / "target"
    target.write_text("keep")
    {"link": lambda: path.symlink_to(target), "directory": path.mkdir, "pipe": lambda: os.mkfifo(path)}[kind]()
    data = {"path": str(path), "content": "x"} if type == DEPLOY else {"path": str(path)}
    with pytest.raises(OperationFailed, match=f"is a {kind}, not a regular file"):
        perform(type, data)
    assert target.read_text() == "keep"
    assert path.is_symlink() or path.exists()


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(
    perform: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("jobqueue.operations.builtin.file.os.fsync", full)
    with pytest.raises(OperationFailed, match="No space left on device"):
        perform(DEPLOY, {"path": str(path), "content": "new"})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_facts_are_filled_into_the_content(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "f"
    perform(DEPLOY, {"path": str(path), "content": "host=@fact.hostname\n"}, facts={"hostname": "web1"})
    assert path.read_text() == "host=web1\n"


def test_undeploy_removes_once(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    assert perform(UNDEPLOY, {"path": str(path)}).data == {"path": str(path), "changed": True}
    assert not path.exists()
    outcome = perform(UNDEPLOY, {"path": str(path)})
    assert (outcome.data["changed"], outcome.changed) == (False, False)


def test_undeploy_below_a_directory_that_is_missing_changes_nothing(perform: Perform, tmp_path: Path) -> None:
    assert perform(UNDEPLOY, {"path": str(tmp_path / "no" / "f")}).changed is False


def test_status_of_a_file(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    path.chmod(0o640)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    outcome = perform(STATUS, {"path": str(path)})
    assert outcome.changed is False
    assert outcome.data["exists"] is True
    assert outcome.data["type"] == "file"
    assert (outcome.data["size"], outcome.data["mode"]) == (3, "0640")
    assert outcome.data["sha256"] == hashlib.sha256(b"abc").hexdigest()
    assert outcome.data["modified"] == "2023-11-14T22:13:20.000Z"


def test_status_of_other_things(perform: Perform, tmp_path: Path) -> None:
    assert perform(STATUS, {"path": str(tmp_path / "no")}).data == {"path": str(tmp_path / "no"), "exists": False}
    assert perform(STATUS, {"path": "/etc/passwd/x"}).data["exists"] is False
    assert perform(STATUS, {"path": str(tmp_path)}).data["type"] == "directory"
    (tmp_path / "link").symlink_to(b"\xff".decode("utf-8", "surrogateescape"))
    assert perform(STATUS, {"path": str(tmp_path / "link")}).data["target"] == "\ufffd"
    assert perform(STATUS, {"path": "/dev/null"}).data["type"] == "device"


def test_hashing_can_be_cancelled(perform: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100)
    cancelled = threading.Event()
    monkeypatch.setattr("jobqueue.operations.builtin.file.hashlib.sha256", lambda: cancelled.set() or hashlib.md5())  # noqa: S324
    with pytest.raises(OperationCancelled):
        perform(STATUS, {"path": str(tmp_path / "f")}, cancelled=cancelled)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"content": "x"}, "path"),
        ({"path": "/tmp/x"}, "content"),
        ({"path": "tmp/x", "content": ""}, "path"),
        ({"path": "/", "content": ""}, "path"),
        ({"path": "/tmp/../etc/passwd", "content": ""}, "path"),
        ({"path": "/tmp/\0", "content": ""}, "path"),
        ({"path": "/tmp/x", "content": 5}, "content"),
        ({"path": "/tmp/x", "content": "not base64!", "encoding": "base64"}, "content"),
        ({"path": "/tmp/x", "content": "é", "encoding": "base64"}, "content"),
        ({"path": "/tmp/x", "content": "", "encoding": "rot13"}, "encoding"),
        ({"path": "/tmp/x", "content": "", "mode": 644}, "mode"),
        ({"path": "/tmp/x", "content": "", "mode": "888"}, "mode"),
        ({"path": "/tmp/x", "content": "", "mode": "0644\n"}, "mode"),
        ({"path": "/tmp/x", "content": "", "owner": ""}, "owner"),
        ({"path": "/tmp/x", "content": "", "create_parents": "yes"}, "create_parents"),
        ({"path": "/tmp/x", "content": "", "create_parents": 1}, "create_parents"),
        ({"path": "/tmp/x", "content": "", "colour": 1}, "colour"),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[-40:],
)
def test_bad_data_names_the_field(registry: Registry, data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate(DEPLOY, data)
    assert list(caught.value.details or ()) == [field]


def test_base64_with_line_breaks(perform: Perform, tmp_path: Path) -> None:
    """As coreutils' base64 prints it."""
    content = bytes(range(256)) * 3
    printed = subprocess.run(["base64"], input=content, capture_output=True, check=True, timeout=20).stdout
    path = tmp_path / "file"
    perform("file.deploy.execute", {"path": str(path), "content": printed.decode(), "encoding": "base64"})
    assert path.read_bytes() == content


def test_a_hard_link_is_reported(perform: Perform, tmp_path: Path) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    path.write_text("old")
    other.hardlink_to(path)
    data = {"path": str(path), "content": "new"}
    outcome = perform("file.deploy.execute", data)
    assert "had 1 other name (hard links), which keep the old content" in outcome.data["notice"]
    assert (path.read_text(), other.read_text()) == ("new", "old")
    assert "notice" not in perform("file.deploy.execute", data).data


def test_a_mount_point(perform: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(self: Path, target: Any) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self))

    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(Path, "rename", busy)
    with pytest.raises(OperationFailed, match=r"is a mount point, .*: it cannot be replaced in one step"):
        perform("file.deploy.execute", {"path": str(path), "content": "new"})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
