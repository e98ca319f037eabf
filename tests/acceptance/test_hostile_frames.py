"""Websocket frames that are malformed, or made to hold the server up, on the tail of a job's output."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.prober import Prober
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import LONG
from tests.unit.api.live.websocket_client import WebSocketClient

#: How many frames the test sends, and how long another client may wait meanwhile; docs/security.md has the command for
#: the long run.
FRAMES = int(os.environ.get("TEST_HOSTILE_FRAMES", "4000"))
PATIENCE = float(os.environ.get("TEST_HOSTILE_SECONDS", "10"))
SEED = int(os.environ.get("TEST_SEED", "1"))
#: More in one connection than the server takes at once.
MOST_AT_ONCE = 600


@pytest.fixture(scope="module")
def stack(make_stack: MakeStack) -> Iterator[Stack]:
    """One process of the API, so that whatever holds it up is seen."""
    running = make_stack({"JOBQUEUE_API_WORKERS": "1"})
    running.up(agents=1)
    yield running
    running.close()


def frame(draw: random.Random) -> bytes:
    """One frame: mostly well-formed ones of every kind, some that RFC 6455 forbids, some that are no frames."""
    kind = draw.random()
    if kind < 0.05:
        return draw.randbytes(draw.randrange(1, 40))
    opcode = draw.choice([0x0, 0x1, 0x1, 0x2, 0x9, 0x9, 0xA] if kind < 0.9 else [0x3, 0x7, 0x8, 0xB, 0xF])
    is_final = draw.random() < 0.8
    reserved = draw.choice([0x40, 0x20, 0x10]) if draw.random() < 0.02 else 0
    payload = draw.choice([b"", b"", b"x", "é".encode(), b"\xff", draw.randbytes(draw.randrange(300))])
    is_masked = draw.random() < 0.98
    length = len(payload)
    if draw.random() < 0.01:
        length = draw.choice([126, 65_536, 2**31, 2**63 - 1, 2**64 - 1])  # more than ever comes
    head = bytes([is_final << 7 | reserved | opcode])
    mask_bit = 0x80 if is_masked else 0
    if length < 126:
        head += bytes([mask_bit | length])
    elif length < 65_536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", length)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", length)
    if not is_masked:
        return head + payload
    mask = draw.randbytes(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def tail(stack: Stack, job_id: str) -> tuple[socket.socket, WebSocketClient]:
    """A websocket on the output of a job, of which the first line has come."""
    place = urlsplit(stack.api.url)
    connection = socket.create_connection((place.hostname, place.port), timeout=LONG)
    path = f"/api/jobs/{job_id}/logs/tail"
    client = WebSocketClient(connection, path, {"Authorization": f"Bearer {stack.api.token}"})
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in client.headers.items()), "", ""]
    client.say("\r\n".join(lines).encode())
    assert "begin" in next(client.texts())
    assert client.accepted
    return connection, client


def send_all_and_leave(connection: socket.socket, data: bytes) -> None:
    """Send, say that no more comes, and read until the server has ended the connection."""
    connection.settimeout(LONG)
    with suppress(ConnectionError):  # the server may have had enough
        connection.sendall(data)
    with suppress(OSError):  # there is no connection any more
        connection.shutdown(socket.SHUT_WR)
    with suppress(ConnectionError):
        while connection.recv(65_536):
            pass


def test_generated_frames_block_no_other_client(stack: Stack, tmp_path: Path) -> None:
    """Every connection is ended, another client is served meanwhile, and an honest reader has its output to the end."""
    gate = tmp_path / "gate"
    waiting = f"echo begin; while [ ! -e {gate} ]; do sleep 0.1; done; echo end"
    job_id = stack.api.submit("command.shell.execute", {"command": waiting})

    def ask() -> None:
        answer = stack.api.get("/health")
        assert answer.status == 200, answer

    prober = Prober(ask)
    honest, reader = tail(stack, job_id)
    read: list[str] = []
    reading = threading.Thread(target=lambda: read.extend(reader.texts()))
    reading.start()
    try:
        draw, sent = random.Random(SEED), 0
        with prober.meanwhile() as waits:
            while sent < FRAMES:
                count = min(draw.randrange(1, MOST_AT_ONCE), FRAMES - sent)
                connection, _ = tail(stack, job_id)
                with closing(connection):
                    send_all_and_leave(connection, b"".join(frame(draw) for _ in range(count)))
                sent += count
    finally:
        gate.touch()
        reading.join(LONG)
        honest.close()
    assert "".join(read).endswith("end\n")
    assert reader.close_code == 1000
    assert "Traceback" not in "".join(stack.log_tails().values())
    assert waits().longest < PATIENCE, str(waits())
