"""What the server checks and sets before it starts. The server itself: tests/acceptance/test_api_server.py."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import gevent
import pytest
from gevent import socket as gevent_socket

from api import server, tls
from api.server import Server, listen
from api.tls import is_loopback
from api.token import ensure_secret, ensure_token
from api.worker import Worker, _Idle
from jobqueue.errors import InvalidSettings
from jobqueue.settings import SECRET_FILE, TOKEN_FILE, Settings


def settings(tmp_path: Path, **fields: object) -> Settings:
    return Settings(state_dir=tmp_path / "state", **fields)  # type: ignore[arg-type]


# --- token ------------------------------------------------------------------------------------------------------------


def test_a_given_token_is_kept(tmp_path: Path) -> None:
    assert ensure_token(settings(tmp_path, token="given")) == ("given", None)
    assert not (tmp_path / "state").exists()


def test_a_new_token_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    token, path = ensure_token(settings(tmp_path))
    assert path == tmp_path / "state" / TOKEN_FILE
    assert path.read_text() == f"{token}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(token) >= 40
    assert [item.name for item in path.parent.iterdir()] == [TOKEN_FILE]
    assert Settings.from_env({"JOBQUEUE_STATE_DIR": str(path.parent)}).token == token, "the client finds it"


def test_a_token_that_another_wrote_meanwhile_is_taken(tmp_path: Path) -> None:
    first, _ = ensure_token(settings(tmp_path))
    assert ensure_token(settings(tmp_path)) == (first, None)


def test_an_empty_token_file(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / TOKEN_FILE).write_text("\n")
    with pytest.raises(InvalidSettings, match="is empty"):
        ensure_token(settings(tmp_path))


def test_a_token_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(InvalidSettings, match="JOBQUEUE_TOKEN"):
        ensure_token(settings(tmp_path))


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    made = ensure_secret(settings(tmp_path))
    path = tmp_path / "state" / SECRET_FILE
    assert len(made) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ensure_secret(settings(tmp_path)) == made
    assert ensure_secret(settings(tmp_path, api_secret="g" * 32)) == "g" * 32
    # a client that reads the settings to talk to the API does not read this
    assert Settings.from_env({"JOBQUEUE_STATE_DIR": str(path.parent)}).api_secret is None


def test_a_secret_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(InvalidSettings, match="JOBQUEUE_API_SECRET"):
        ensure_secret(settings(tmp_path))


# --- address ----------------------------------------------------------------------------------------------------------


def test_listen() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert is_loopback(listener)
        with socket.create_connection(listener.getsockname(), timeout=5):
            pass


def test_a_taken_port() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InvalidSettings, match=rf"127\.0\.0\.1:{port}.*in use.*JOBQUEUE_API_PORT"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine(host: str) -> None:
    with pytest.raises(InvalidSettings, match="JOBQUEUE_API_HOST"):
        listen(host, 0)


def test_every_address_is_more_than_loopback() -> None:
    with listen("0.0.0.0", 0) as listener:  # noqa: S104
        assert not is_loopback(listener)


@pytest.mark.parametrize("fields", [{}, {"allowed_hosts": ("*",)}])
def test_no_open_address_without_tls(tmp_path: Path, fields: dict[str, object]) -> None:
    with listen("0.0.0.0", 0) as listener:  # noqa: S104
        with pytest.raises(InvalidSettings, match=r"does not listen on 0\.0\.0\.0.*JOBQUEUE_TLS_CERT.*--behind-proxy"):
            tls.check_address(settings(tmp_path, **fields), listener)
        tls.check_address(settings(tmp_path, behind_proxy=True), listener)
    with listen("127.0.0.1", 0) as listener:
        tls.check_address(settings(tmp_path), listener)


def test_half_of_tls(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="JOBQUEUE_TLS_KEY is missing"):
        tls.files_of(settings(tmp_path, tls_cert=tmp_path / "c"))
    with pytest.raises(InvalidSettings, match="JOBQUEUE_TLS_CERT is missing"):
        tls.files_of(settings(tmp_path, tls_key=tmp_path / "k"))


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_tls_that_does_not_work(tmp_path: Path, content: bytes | None) -> None:
    certificate, key = tmp_path / "c", tmp_path / "k"
    if content is not None:
        certificate.write_bytes(content)
        key.write_bytes(content)
    with listen("0.0.0.0", 0) as listener, pytest.raises(InvalidSettings, match="cannot be used"):  # noqa: S104
        tls.check_address(settings(tmp_path, tls_cert=certificate, tls_key=key), listener)


def test_a_key_of_web_tokens_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.logs, "configure", lambda settings: None)
    monkeypatch.setattr(server.monkey, "patch_ssl", lambda: None)  # the process of the tests stays as it is
    (tmp_path / "issuer.pem").write_text("nonsense")
    chosen = {"jwt_public_key": tmp_path / "issuer.pem", "jwt_issuer": "us", "jwt_audience": "jobqueue"}
    with pytest.raises(InvalidSettings, match="JOBQUEUE_JWT_PUBLIC_KEY"):  # before any worker is started
        server.serve(settings(tmp_path, api_port=0, token="t" * 32, **chosen))


def test_credentials_of_a_bucket_that_do_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.logs, "configure", lambda settings: None)
    monkeypatch.setattr(server, "_check_token_keys", lambda settings: None)
    monkeypatch.setattr("jobqueue.extras.lacking", lambda _extra: ())
    (tmp_path / "s3.ini").write_text("[default]")
    with pytest.raises(InvalidSettings, match=r"s3\.ini .JOBQUEUE_S3_CREDENTIALS. must have"):  # before any worker
        server.serve(
            settings(tmp_path, api_port=0, token="t" * 32, s3_bucket="jobs", s3_credentials=tmp_path / "s3.ini")
        )


# --- gunicorn ---------------------------------------------------------------------------------------------------------


def test_every_option_is_one_of_gunicorns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "77")
    listener = listen("127.0.0.1", 0)
    descriptor = listener.fileno()
    cfg = Server(settings(tmp_path, token="t", api_workers=3, log_level="WARNING"), listener).cfg
    try:
        assert cfg.address == [descriptor]
        assert (cfg.workers, cfg.loglevel, cfg.worker_class) == (3, "warning", Worker)
        assert (cfg.keepalive, cfg.graceful_timeout) == (server.KEEPALIVE_SECONDS, server.GRACEFUL_SECONDS)
        assert cfg.control_socket_disable is True
        assert cfg.accesslog is None
        assert cfg.forwarded_allow_ips == cfg.forwarder_headers == [], "headers of any client are trusted"
        assert cfg.preload_app is False, "the application must be imported after gevent has patched the worker"
    finally:
        os.close(descriptor)


def test_closing_before_anything_was_opened(tmp_path: Path) -> None:
    listener = listen("127.0.0.1", 0)
    descriptor = listener.fileno()
    application = Server(settings(tmp_path, token="t"), listener)
    os.close(descriptor)
    application.close()


class _Cfg:
    keepalive = 0.05


class _StubWorker:
    """What ``_Idle`` needs of a worker."""

    def __init__(self) -> None:
        self.cfg = _Cfg()
        self.alive = True
        self._idle: set[socket.socket] = set()


def test_an_idle_connection_is_given_up_after_the_keep_alive_time() -> None:
    worker = _StubWorker()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        request = None
        with _Idle(worker, ours):  # type: ignore[arg-type]
            assert worker._idle == {ours}
            gevent.sleep(5)
            request = b"never"
        assert request is None
        assert worker._idle == set()


def test_a_wait_is_used_for_one_request_after_the_other() -> None:
    worker = _StubWorker()
    ours, theirs = gevent_socket.socketpair()
    wait = _Idle(worker, ours, seconds=5, header_seconds=0.05, is_reused=True)  # type: ignore[arg-type]
    with ours, theirs:
        for _ in range(3):
            gevent.spawn_later(0.1, theirs.sendall, b"GET /")
            with wait:  # longer than the headers may take, which begins with their first byte
                assert ours.recv(100) == b"GET /"
            gevent.sleep(0.1)  # and this limit ends with the wait
        theirs.sendall(b"GET")
        rest = None
        with wait:
            assert ours.recv(100) == b"GET"
            rest = ours.recv(100)
        assert rest is None, "the rest of the headers came too late"
        wait.close()
    assert worker._idle == set()


def test_other_timeouts_pass_through() -> None:
    with socket.socket() as client, pytest.raises(gevent.Timeout), _Idle(_StubWorker(), client):  # type: ignore[arg-type]
        raise gevent.Timeout(1)


def test_a_stopping_worker_still_reads_what_has_arrived() -> None:
    worker = _StubWorker()
    worker.alive = False
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"GET / HTTP/1.1")
        with _Idle(worker, ours):  # type: ignore[arg-type]
            assert ours.recv(100) == b"GET / HTTP/1.1"
            assert ours.recv(100) == b"", "and then nothing more"
        ours.sendall(b"answer")
        assert theirs.recv(100) == b"answer"
