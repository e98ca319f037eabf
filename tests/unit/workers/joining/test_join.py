"""Joining: what is refused before anything is written, and what is written."""

from __future__ import annotations

import hashlib
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from jobqueue.env_file import read_env_file
from jobqueue.errors import Conflict, InvalidInput, JobQueueError
from jobqueue.settings import local_hostname
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.bundle import Bundle
from jobqueue.trust.signing.signer import Signer
from workers.joining import join as joining
from workers.joining.join import JoinRequest, join

SIGNER = Signer(SigningKey.generate())
HOSTNAME = local_hostname()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def a_bundle(**change: object) -> Bundle:
    expires = int(time.time()) + 3600
    bundle = Bundle(
        hostname=HOSTNAME,
        expires=expires,
        redis_url="redis://agent:pw@127.0.0.1:1/0",  # nothing listens there
        key_prefix="jobqueue:",
        trusted_keys=pem.public_pem(SIGNER.public_key),
        join_token=f"jqj:0123:{expires}:{HOSTNAME}:abcdef",
        allow=("read-only",),
    )
    return replace(bundle, **change)  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return put(tmp_path, a_bundle())


def put(directory: Path, bundle: Bundle) -> Path:
    path = directory / "host.join"
    path.write_text(bundle.text(SIGNER))
    return path


def refused(home: Path, request: JoinRequest) -> str:
    """The error's message; nothing was written."""
    said: list[str] = []
    with pytest.raises(JobQueueError) as error:
        join(replace(request, user=True), said.append)
    assert said == []
    assert list(home.iterdir()) == []
    return error.value.message


def test_an_expired_one(home: Path, tmp_path: Path) -> None:
    path = put(tmp_path, a_bundle(expires=1_700_000_000))
    said = refused(home, JoinRequest(path))
    assert "expired at 2023-11-14T22:13:20" in said
    assert f"jobqueue agent bundle {HOSTNAME}" in said


def test_one_for_another_host(home: Path, tmp_path: Path) -> None:
    path = put(tmp_path, a_bundle(hostname="elsewhere"))
    said = refused(home, JoinRequest(path))
    assert "'elsewhere'" in said
    assert f"'{HOSTNAME}'" in said
    assert "--hostname elsewhere" in said
    assert "'other'" in refused(home, JoinRequest(path, hostname="other"))


@pytest.mark.parametrize(
    ("bundled", "given"), [("web1", "web1.example.org"), ("web1.example.org", "web1"), ("WEB1", "web1")]
)
def test_the_domain_and_the_case_do_not_matter(bundled: str, given: str) -> None:
    joining._require_hostname(a_bundle(hostname=bundled), given)


def test_an_altered_one(home: Path, file: Path) -> None:
    file.write_text(file.read_text().replace('"read-only"', '"*"'))
    assert "it was altered after it was signed" in refused(home, JoinRequest(file))


def test_another_digest(home: Path, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    said = refused(home, JoinRequest(file, sha256="0" * 64))
    assert digest in said
    # with the right one, in any case, it goes on to Redis
    assert "Redis cannot be reached" in refused(home, JoinRequest(file, sha256=f" {digest.upper()}\n"))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_one_that_a_shell_of_windows_wrote(home: Path, file: Path, encoding: str) -> None:
    file.write_bytes(file.read_text().replace("\n", "\r\n").encode(encoding))
    assert "Redis" in refused(home, JoinRequest(file, start=False))  # past every check of the file


def test_an_unreadable_one(home: Path, tmp_path: Path) -> None:
    assert "cannot be read" in refused(home, JoinRequest(tmp_path / "none"))


def test_redis_out_of_reach_is_named_without_the_password(home: Path, file: Path) -> None:
    said = refused(home, JoinRequest(file))
    assert "127.0.0.1:1" in said
    assert "pw" not in said


def test_start_needs_systemd(home: Path, file: Path) -> None:
    assert "--foreground" in refused(home, JoinRequest(file, start=True))


def test_an_operation_that_cannot_be_allowed(home: Path, file: Path) -> None:
    assert "allowed operations" in refused(home, JoinRequest(file, allow=("a b",)))


def test_for_the_whole_host_it_needs_root(home: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(JobQueueError, match="--user"):
        join(JoinRequest(file), print)
    assert list(home.iterdir()) == []


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that knows nothing of the bundle."""
    monkeypatch.setattr(joining, "require_unused", lambda *_: None)


@pytest.mark.usefixtures("reachable")
def test_what_is_written(home: Path, tmp_path: Path) -> None:
    path = put(tmp_path, a_bundle(labels={"group": "web.dev", "n": "1"}, redis_ca="a certificate"))
    said: list[str] = []
    join(JoinRequest(path, user=True, allow=("node.*", "file.status.get")), said.append)
    settings = home / ".config/jobqueue/agent.env"
    found = read_env_file(settings)
    assert found == {
        "JOBQUEUE_REDIS_URL": f"redis://agent:pw@127.0.0.1:1/0?ssl_ca_certs={home}/.config/jobqueue/redis-ca.pem",
        "JOBQUEUE_STATE_DIR": f"{home}/.local/state/jobqueue-agent",
        "JOBQUEUE_HOSTNAME": HOSTNAME,
        "JOBQUEUE_LABELS": "group=web.dev,n=1",
        "JOBQUEUE_KEY_PREFIX": "jobqueue:",
        "JOBQUEUE_TRUSTED_KEYS": f"{home}/.config/jobqueue/signing.pub",
        "JOBQUEUE_JOIN_TOKEN": a_bundle().join_token,
        "JOBQUEUE_ALLOW": "node.*,file.status.get",
    }
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in settings.parent.iterdir()}
    assert modes == {"agent.env": 0o600, "signing.pub": 0o644, "redis-ca.pem": 0o644}
    assert stat.S_IMODE(settings.parent.stat().st_mode) == 0o700
    assert pem.read_public(home / ".config/jobqueue/signing.pub").keys() == {pem.key_id(SIGNER.public_key)}
    assert said[-1].endswith(f"-m jobqueue worker --env-file {settings}")


@pytest.mark.usefixtures("reachable")
def test_an_agent_that_is_set_up_is_kept(home: Path, tmp_path: Path) -> None:
    join(JoinRequest(put(tmp_path, a_bundle()), user=True), print)
    settings = home / ".config/jobqueue/agent.env"
    before = settings.read_text()
    other = put(tmp_path, a_bundle(join_token=f"jqj:9:1:{HOSTNAME}:x"))
    with pytest.raises(Conflict, match="--replace"):
        join(JoinRequest(other, user=True), print)
    assert settings.read_text() == before
    join(JoinRequest(other, user=True, replace=True), print)
    assert f"jqj:9:1:{HOSTNAME}:x" in settings.read_text()


@pytest.mark.usefixtures("reachable")
def test_a_failed_attempt_can_be_repeated(home: Path, file: Path) -> None:
    for _ in range(2):
        join(JoinRequest(file, user=True), print)
    assert (home / ".config/jobqueue/agent.env").exists()


@pytest.mark.usefixtures("reachable")
def test_a_directory_that_is_a_file(home: Path, file: Path) -> None:
    (home / ".config").write_text("")
    with pytest.raises(JobQueueError, match=r"\.config/jobqueue cannot be created"):
        join(JoinRequest(file, user=True), print)


def test_an_input_error_is_one_line(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.join"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="not a join bundle"):
        join(JoinRequest(path, user=True), print)
