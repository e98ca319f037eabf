"""node.sshKey.*, in a home that its user may fill with traps. ``test_accounts`` runs them for a real user."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

ADD, REMOVE, LIST = "node.sshKey.add", "node.sshKey.remove", "node.sshKey.list"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a@b"
#: As ssh-keygen -l shows it.
FINGERPRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
USER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    entry = pwd.getpwuid(os.geteuid())
    own = pwd.struct_passwd((entry.pw_name, "x", entry.pw_uid, entry.pw_gid, "", str(folder), "/bin/sh"))
    real = pwd.getpwnam
    monkeypatch.setattr("pwd.getpwnam", lambda name: own if name == USER else real(name))
    return folder


def test_a_key_is_added_and_removed_once(perform: Perform, home: Path) -> None:
    file, add = home / ".ssh/authorized_keys", {"user": USER, "key": KEY}
    assert perform(ADD, {**add, "check": True}).data["would_change"] is True
    assert not file.parent.exists()
    outcome = perform(ADD, {**add, "diff": True})
    assert (outcome.changed, outcome.data["fingerprint"]) == (True, FINGERPRINT)
    assert outcome.data["diff"].endswith(f"@@ -0,0 +1 @@\n+{KEY}\n")
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{KEY}\n", 0o600)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert perform(ADD, add).changed is False
    assert perform(ADD, {**add, "key": KEY.replace("a@b", "other comment")}).changed is False
    remove = {"user": USER, "fingerprint": FINGERPRINT}
    assert perform(REMOVE, {**remove, "check": True}).data["would_change"] is True
    assert perform(REMOVE, remove).changed is True
    assert perform(REMOVE, remove).changed is False
    assert file.read_text() == ""
    assert [path.name for path in file.parent.iterdir()] == ["authorized_keys"]


def test_other_lines_stay(perform: Perform, home: Path) -> None:
    (home / ".ssh").mkdir()
    lines = b'# mine \xff\nfrom="10.0.0.1" ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ== x\n# ' + KEY.encode()
    (home / ".ssh/authorized_keys").write_bytes(lines)
    perform(ADD, {"user": USER, "key": KEY})
    assert (home / ".ssh/authorized_keys").read_bytes() == lines + f"\n{KEY}\n".encode()
    perform(REMOVE, {"user": USER, "fingerprint": FINGERPRINT})
    assert (home / ".ssh/authorized_keys").read_bytes() == lines + b"\n"


@pytest.mark.parametrize("mark", ["# ", "#", "  # "])
def test_a_key_in_a_comment_is_not_listed(perform: Perform, home: Path, mark: str) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh/authorized_keys").write_text(f"{mark}{KEY}\n")
    assert perform(LIST, {"user": USER}).data["keys"] == []


def test_a_key_with_options_is_known_too(perform: Perform, home: Path) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh/authorized_keys").write_text(f'command="/bin/true",no-pty {KEY}\n')
    assert perform(LIST, {"user": USER}).data["keys"] == [
        {"type": "ssh-ed25519", "fingerprint": FINGERPRINT, "comment": "a@b"}
    ]
    assert perform(ADD, {"user": USER, "key": KEY}).changed is False


@pytest.mark.parametrize("trap", ["folder", "file", "fifo"])
def test_links_of_the_user_are_not_followed(perform: Perform, home: Path, tmp_path: Path, trap: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/authorized_keys").write_text("secret\n")
    if trap == "folder":
        (home / ".ssh").symlink_to(tmp_path / "other")
    else:
        (home / ".ssh").mkdir()
    if trap == "file":
        (home / ".ssh/authorized_keys").symlink_to(tmp_path / "other/authorized_keys")
    if trap == "fifo":
        os.mkfifo(home / ".ssh/authorized_keys")
    calls: list[tuple[str, dict[str, Any]]] = [(LIST, {}), (ADD, {"key": KEY}), (REMOVE, {"fingerprint": FINGERPRINT})]
    for type, data in calls:
        with pytest.raises(OperationFailed, match=r"authorized_keys (?:cannot be used|is not a file of the user)"):
            perform(type, {"user": USER, **data})
    assert (tmp_path / "other/authorized_keys").read_text() == "secret\n"


def test_a_user_that_the_host_does_not_have(perform: Perform) -> None:
    with pytest.raises(OperationFailed, match="This host has no user nosuchuser"):
        perform(LIST, {"user": "nosuchuser"})


@pytest.mark.parametrize(
    "key",
    [
        *("", "ssh-ed25519", "ssh-ed25519 x", "ssh-ed25519 AAAA", f'command="x" {KEY}', f"{KEY}\n{KEY}", f"# {KEY}"),
        KEY.replace("ssh-ed25519", "ssh-rsa"),  # another type than within
        "ssh-dss AAAAB3NzaC1kc3MAAAAB",
    ],
)
def test_a_key_is_one_public_key_without_options(registry: Registry, key: str) -> None:
    with pytest.raises(InvalidOperationData):
        registry.validate(ADD, {"user": "root", "key": key})
