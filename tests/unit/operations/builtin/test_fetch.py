"""Fetching files: what is sent, limits, and files that must not harm."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed
from jobqueue.model.pieces import PIECE_BYTES
from jobqueue.operations.builtin import fetch as module
from jobqueue.operations.builtin.fetch import fetch
from jobqueue.operations.context import Context
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.settings import Settings
from workers.agent.guard.operation_guard import OperationGuard
from workers.agent.guard.policy import Policy, Rule

_UNITS = Path(__file__).resolve().parents[4] / "deploy" / "systemd"


class Sender:
    """Keeps what is sent. ``before`` is called before each piece is taken."""

    def __init__(self, hosts: int = 1, before: Callable[[], None] = lambda: None) -> None:
        self.hosts = hosts
        self.pieces: list[bytes] = []
        self.is_open = False
        self.reserved: list[int] = []
        self._before = before

    def open(self) -> int:
        self.is_open = True
        return self.hosts

    def reserve(self, size: int) -> None:
        self.reserved.append(size)

    def send(self, piece: bytes) -> None:
        self._before()
        self.pieces.append(piece)


def run(path: object, sender: Sender, settings: Settings | None = None, **data: Any) -> dict[str, Any]:
    context = Context("web1", sender=sender, settings=settings)
    answer: dict[str, Any] = fetch.run(fetch.load({"path": str(path), **data}), context)
    return answer


def refused(path: object, sender: Sender | None = None, settings: Settings | None = None, **data: Any) -> str:
    sender = sender or Sender()
    with pytest.raises(OperationFailed) as error:
        run(path, sender, settings, **data)
    assert not sender.pieces
    return error.value.message


def test_files_are_sent_one_after_the_other_with_their_digests(tmp_path: Path) -> None:
    big = os.urandom(PIECE_BYTES + 10)
    (tmp_path / "a.log").write_bytes(big)
    (tmp_path / "b.log").write_bytes(b"")
    (tmp_path / "c.log").write_bytes(b"end")
    sender = Sender()
    answer = run(tmp_path / "*.log", sender)
    assert b"".join(sender.pieces) == big + b"end"
    assert sender.reserved == [len(big) + 3]
    assert [len(piece) for piece in sender.pieces] == [PIECE_BYTES, 13]
    assert [(Path(file["path"]).name, file["size"], file["sha256"]) for file in answer["files"]] == [
        (name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in (("a.log", big), ("b.log", b""), ("c.log", b"end"))
    ]
    assert (answer["bytes"], answer["skipped"]) == (len(big) + 3, [])


def test_matches_that_are_no_files_are_listed_and_not_sent(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    answer = run(tmp_path / "*", Sender())
    assert [Path(file["path"]).name for file in answer["files"]] == ["a"]
    assert [(Path(one["path"]).name, one["reason"]) for one in answer["skipped"]] == [
        ("folder", "is a directory, not a regular file"),
        ("link", "is a link, not a regular file"),
        ("pipe", "is a pipe, not a regular file"),
    ]


def test_names_of_any_bytes(tmp_path: Path) -> None:
    for name in (b"two\nlines", b"latin-\xe9", b"na\xc3\xafve"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    answer = run(tmp_path / "*", Sender())
    assert sorted(file["path"].removeprefix(f"{tmp_path}/") for file in answer["files"]) == [
        "latin-\\xe9",
        "naïve",
        "two\nlines",
    ]


def test_nothing_is_read_of_a_host_with_too_much(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(2**40)
    message = refused(sparse)
    assert "have 1099511627776 bytes, and the limit is 16777216 (max_bytes)" in message
    assert f"The largest is {sparse}" in message
    for number in range(3):
        (tmp_path / f"{number}.log").write_bytes(b"x" * 100)
    assert "the limit is 299 (max_bytes)" in refused(tmp_path / "*.log", max_bytes=299)
    assert "more than 2 files match" in refused(tmp_path / "*.log", max_files=2)
    settings = Settings(state_dir=tmp_path / "state", max_fetched_bytes=250)
    assert "the limit is 250 (JOBQUEUE_MAX_FETCHED_BYTES of this host)" in refused(tmp_path / "*.log", None, settings)


def test_each_host_of_a_job_has_an_equal_share(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    assert run(tmp_path / "a", Sender(hosts=10), max_total_bytes=1000)["bytes"] == 100
    assert "each host of this job may send 90" in refused(tmp_path / "a", Sender(hosts=11), max_total_bytes=1000)


def test_a_file_that_grows_is_sent_as_it_was_found(tmp_path: Path) -> None:
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    log.write_bytes(b"1" * (PIECE_BYTES + 1))
    other.write_bytes(b"2")

    def grow() -> None:
        with other.open("ab") as file:
            file.write(b"3" * PIECE_BYTES)

    sender = Sender(before=grow)
    answer = run(tmp_path / "*.log", sender)
    assert b"".join(sender.pieces) == log.read_bytes() + b"2"
    assert [file.get("changed_while_read") for file in answer["files"]] == [None, True]


def test_a_file_that_shrinks_is_sent_as_it_is(tmp_path: Path) -> None:
    log, other = tmp_path / "a.log", tmp_path / "b.log"
    log.write_bytes(b"1" * (PIECE_BYTES + 1))
    other.write_bytes(b"22")
    answer = run(tmp_path / "*.log", sender := Sender(before=lambda: other.write_bytes(b"2") and None))
    assert b"".join(sender.pieces) == log.read_bytes() + b"2"
    assert [file["size"] for file in answer["files"]] == [PIECE_BYTES + 1, 1]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/proc/kmsg", "the kernel makes it up"),
        ("/dev/zero", "is a device"),
        ("/nowhere/at/all", "No such file or directory"),
        ("/nowhere/*", "No file matches /nowhere/\\*"),
        ("/proc/self/task/*/environ", "No file matches .* 1 other matches are not files|No file matches"),
    ],
)
def test_what_is_no_file_fails_at_once(path: str, reason: str) -> None:
    with pytest.raises(OperationFailed, match=reason):
        run(path, Sender())


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    messages: list[str] = []
    thread = threading.Thread(target=lambda: messages.append(refused(tmp_path / "pipe")), daemon=True)
    thread.start()
    thread.join(10)
    assert messages == [f"{tmp_path}/pipe: is a pipe, not a regular file"]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("etc/passwd", "absolute"),
        ("/var/../etc/passwd", "'..'"),
        ("/var/log/", "not a directory"),
        ("/var/**/x", "'\\*\\*'"),
        ("/var/a\0b", "NUL"),
        ("/", "."),
    ],
)
def test_paths_that_are_refused(path: str, problem: str) -> None:
    with pytest.raises(InvalidOperationData) as error:
        fetch.load({"path": path})
    assert problem.replace("\\", "") in str(error.value.details)


def test_the_agents_own_keys_and_secrets_stay(tmp_path: Path) -> None:
    state, secrets = tmp_path / "state", tmp_path / "secrets"
    for folder in (state, secrets):
        folder.mkdir()
        (folder / "key").write_text("private")
    (tmp_path / "stateful").mkdir()
    (tmp_path / "stateful" / "key").write_text("public")
    settings = Settings(state_dir=state, secrets_dir=secrets)
    assert "belongs to the agent" in refused(state / "key", None, settings)
    answer = run(tmp_path / "*" / "key", Sender(), settings)
    assert [file["path"] for file in answer["files"]] == [f"{tmp_path}/stateful/key"]
    assert len(answer["skipped"]) == 2


def test_keys_and_settings_of_an_api_on_the_same_host_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("signing.pem", "tls.pem", "settings/jobqueue.env"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("private")
    settings = Settings(
        state_dir=tmp_path / "state", signing_key=tmp_path / "signing.pem", tls_key=tmp_path / "tls.pem"
    )
    monkeypatch.setattr(module, "SETTINGS_FOLDER", str(tmp_path / "settings"))
    assert "belongs to the agent" in refused(tmp_path / "signing.pem", None, settings)
    assert "belongs to the agent" in refused(tmp_path / "tls.pem", None, settings)
    assert "belongs to the agent" in refused(tmp_path / "settings" / "jobqueue.env", None, settings)


def test_the_settings_of_the_units_are_where_they_are_kept_back() -> None:
    for unit in _UNITS.glob("*.service"):
        files = re.findall(r"^EnvironmentFile=-?(\S+)", unit.read_text(), re.MULTILINE)
        assert files
        assert all(file.startswith(f"{module.SETTINGS_FOLDER}/") for file in files)


def test_a_list_that_is_too_long_for_an_answer(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(12):
        folder /= "d" * 250
    folder.mkdir(parents=True)
    for number in range(200):
        (folder / str(number)).touch()
    pattern = "/".join([str(tmp_path), *["*"] * 13])
    assert "names of the files are too long" in refused(pattern, max_files=1000)


def test_another_user_cannot_send(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(OperationFailed, match="by the agent's own user only"):
        fetch.run(fetch.load({"path": str(tmp_path / "a")}), Context("web1"))


def test_a_wildcard_does_not_get_around_the_policy_of_the_host(tmp_path: Path) -> None:
    for name in ("private", "public"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(name)
    policy = Policy(("*",), (Rule(("file.*",), allows=False, arguments={"path": f"{tmp_path}/private/*"}),))
    guard = OperationGuard(policy, ResourceLimits(), ())
    data = {"path": f"{tmp_path}/p*/key"}
    permit = guard.check(fetch, data, {})
    context = Context("web1", sender=Sender(), allows=permit.allows)
    answer = fetch.run(fetch.load(data), context)
    assert [file["path"] for file in answer["files"]] == [f"{tmp_path}/public/key"]
    assert answer["skipped"] == [{"path": f"{tmp_path}/private/key", "reason": "the policy of this host denies it"}]
