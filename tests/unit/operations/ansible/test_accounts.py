"""Users and groups by the real tools, in a mount namespace with a copy of /etc: the machine stays as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[4]
_PROGRAM = Path(__file__).with_name("in_a_namespace.py")
_SET_UP = """
set -e
mount -t tmpfs tmpfs "$1"
cp -a /etc "$1/etc"
mkdir "$1/home" "$1/state"
mount --bind "$1/etc" /etc
mount --bind "$1/home" /home
for folder in /var/mail /var/spool/mail; do if [ -d "$folder" ]; then mount -t tmpfs tmpfs "$folder"; fi; done
exec "$2" "$3" "$1/state"
"""
_UNSHARE = ("unshare", "--mount", "--propagation", "private")


def _can_unshare() -> bool:
    try:
        probe = 'mount -t tmpfs tmpfs "$1"'
        done = subprocess.run([*_UNSHARE, "sh", "-c", probe, "sh", "/mnt"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if os.geteuid() != 0:
        pytest.skip("only root can change users")
    if not _can_unshare():
        pytest.skip("this machine lets root mount nothing, so nothing would keep its users from being changed")
    folder = tmp_path_factory.mktemp("namespace")
    before = [Path(name).read_bytes() for name in ("/etc/passwd", "/etc/group")]
    done = subprocess.run(
        [*_UNSHARE, "sh", "-c", _SET_UP, "sh", str(folder), sys.executable, str(_PROGRAM)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert [Path(name).read_bytes() for name in ("/etc/passwd", "/etc/group")] == before
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "name", ["group", "user", "update", "members", "password", "lock", "key", "delete", "delete group"]
)
def test_a_check_predicts_and_the_second_run_changes_nothing(answers: dict[str, Any], name: str) -> None:
    predicted, first, checked, second = answers[name]
    assert (predicted["changed"], predicted["would_change"]) == (False, True), predicted
    assert first["changed"] is True, first
    assert predicted["diff"] == first["diff"]
    assert (checked["changed"], checked["would_change"]) == (False, False), checked
    assert second["changed"] is False, second
    assert not [run for run in answers[name] if "error" in run or "raised" in run]


def test_what_was_created(answers: dict[str, Any]) -> None:
    [user] = answers["seen"]["users"]
    assert user == {
        "name": "jquser",
        "uid": 54322,
        "gid": user["gid"],
        "home": "/home/jquser",
        "shell": "/bin/sh",
        "groups": ["jqgroup"],
        "locked": True,  # without a password
    }
    assert answers["user"][0]["diff"].splitlines()[3:] == [
        *("+name: jquser", "+uid: 54322", "+shell: /bin/sh", "+groups: jqgroup"),
    ]
    assert answers["locked"]["users"][0]["locked"] is True
    assert answers["gone"] == {"raised": "This host has no user jquser."}


def test_a_password_is_in_no_answer(answers: dict[str, Any]) -> None:
    assert "a new one" not in json.dumps(answers["password"])
    assert "$6$" not in json.dumps(answers["password"])


def test_a_key_is_known_by_its_fingerprint(answers: dict[str, Any]) -> None:
    # as `ssh-keygen -lf` shows it
    fingerprint = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert answers["keys"] == {
        "user": "jquser",
        "keys": [{"type": "ssh-ed25519", "fingerprint": fingerprint, "comment": "a@b"}],
    }


def test_a_failure_has_the_words_of_the_tool(answers: dict[str, Any]) -> None:
    assert answers["no group"]["error"] == "Group jqnone does not exist"


def test_the_generic_module_does_the_same(answers: dict[str, Any]) -> None:
    predicted, first, checked, second = answers["module"]
    assert (predicted["would_change"], first["changed"]) == (True, True)
    assert (checked["would_change"], second["changed"]) == (False, False)


def test_root_is_kept(answers: dict[str, Any]) -> None:
    assert answers["root"] == {"raised": "The user root is the agent's own or root; it was left unchanged."}
