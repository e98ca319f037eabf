"""The API as a process: how it starts, what it serves, how it stops. Its ledger is away, or hangs, on purpose."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from api.server import GRACEFUL_SECONDS
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.until import LONG

pytestmark = pytest.mark.acceptance

TOKEN = "the-token-of-these-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
JOB = json.dumps({"operation": {"type": "node.hostname.get"}})


def command(tmp_path: Path, port: int, **names: str) -> tuple[list[str], dict[str, str]]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("JOBQUEUE_")}
    return [sys.executable, "-m", "api"], {
        **env,
        "JOBQUEUE_STATE_DIR": str(tmp_path / "state"),
        "JOBQUEUE_API_PORT": str(port),
        "JOBQUEUE_API_WORKERS": "1",
        "JOBQUEUE_TOKEN": TOKEN,
        "JOBQUEUE_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        **names,
    }


@contextmanager
def api(
    tmp_path: Path, program: Sequence[str] = ("-m", "api"), **names: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server that answers, and its port. Its log is ``api.log``."""
    port = free_port()
    _, env = command(tmp_path, port, **names)
    argv = [sys.executable, *program]
    with (tmp_path / "api.log").open("wb") as log:
        process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)
    try:
        wait_until_it_answers(process, port, tmp_path / "api.log")
        yield process, port
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(LONG)


def wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            status, _ = ask(port, "GET", "/health")
        except OSError:
            time.sleep(0.05)
            continue
        assert status == 200
        return
    raise AssertionError(log.read_text())


def ask(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] = HEADERS) -> tuple[int, Any]:
    with closing(connect(port)) as connection:
        connection.request(method, path, body, headers, encode_chunked=not isinstance(body, (str, bytes, type(None))))
        response = connection.getresponse()
        return response.status, json.loads(response.read() or "null")


def connect(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)


@pytest.fixture
def hanging_ledger() -> Iterator[str]:
    """The address of a Redis that takes connections and never answers."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for connection in taken:
        connection.close()


def test_serves_without_a_ledger_and_says_so(tmp_path: Path) -> None:
    with api(tmp_path) as (process, port):
        assert ask(port, "GET", "/health/ready")[0] == 503
        status, body = ask(port, "POST", "/job", JOB)
        assert (status, body["code"]) == (503, 503)
        assert ask(port, "GET", "/job", headers={})[0] == 401
        # what only a real server shows: bodies in chunks, within the limit and beyond it
        assert ask(port, "POST", "/job", iter([b"{", b'"a": 1}']))[0] == 400
        assert ask(port, "POST", "/job", (b" " * 65_536 for _ in range(129)))[0] == 413
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0
    assert "Traceback" not in (tmp_path / "api.log").read_text()


def test_a_stop_finishes_requests_and_lets_go_of_idle_connections(tmp_path: Path, hanging_ledger: str) -> None:
    with ExitStack() as stack, api(tmp_path, JOBQUEUE_REDIS_URL=hanging_ledger) as (process, port):
        idle, busy = (stack.enter_context(closing(connect(port))) for _ in range(2))
        idle.request("GET", "/health")
        assert idle.getresponse().read()
        silent = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=LONG))
        busy.request("GET", "/job", headers={**HEADERS, "Expect": "100-continue"})
        assert busy.sock.recv(1, socket.MSG_PEEK), "the server has the request, and says so"
        process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        response = busy.getresponse()
        assert response.status == 503
        assert json.loads(response.read())["code"] == 503
        assert process.wait(LONG) == 0
        assert time.monotonic() - begin < GRACEFUL_SECONDS, "it did not wait for the idle connections"
        assert idle.sock.recv(1) == b""
        assert silent.recv(1) == b""


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        argv, env = command(tmp_path, taken.getsockname()[1])
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "JOBQUEUE_API_PORT" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_makes_a_token_and_says_where(tmp_path: Path) -> None:
    with api(tmp_path, JOBQUEUE_TOKEN="") as (_, port):
        path = tmp_path / "state" / "admin.token"
        token = path.read_text().strip()
        log = (tmp_path / "api.log").read_text()
        assert str(path) in log
        assert token not in log
        assert ask(port, "GET", "/operation", headers={"Authorization": f"Bearer {token}"})[0] == 200


def test_an_address_that_others_can_reach_behind_a_proxy(tmp_path: Path) -> None:
    """With TLS, and with neither: test_tls.py."""
    names = {"JOBQUEUE_API_HOST": "0.0.0.0", "JOBQUEUE_BEHIND_PROXY": "1"}  # noqa: S104
    with api(tmp_path, **names) as (_, port):
        assert ask(port, "GET", "/health", headers={"X-Forwarded-For": "10.0.0.1"})[0] == 200


def test_warns_of_a_token_that_can_be_guessed(tmp_path: Path) -> None:
    with api(tmp_path, JOBQUEUE_TOKEN="short"):
        assert "SECURITY: the token has 5 characters" in (tmp_path / "api.log").read_text()


@pytest.mark.parametrize("part", ["api", "front"])
def test_a_start_logs_no_warning_of_a_library(tmp_path: Path, part: str) -> None:
    (tmp_path / "token").write_text(TOKEN)
    cells = tmp_path / "cells.toml"
    cells.write_text(f'[cells.west]\nurl = "http://127.0.0.1:{free_port()}"\ntoken_file = "token"\n')
    for file in tmp_path.iterdir():
        file.chmod(0o600)
    names = {"PYTHONWARNINGS": "always::RuntimeWarning", "JOBQUEUE_CELLS": str(cells)}
    with api(tmp_path, ["-m", "jobqueue", part], **names):
        pass
    assert "Warning" not in (tmp_path / "api.log").read_text()
