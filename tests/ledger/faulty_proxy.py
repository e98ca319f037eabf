"""A proxy before a Redis that fails at chosen script calls: it cuts the connection, or answers with an error."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import hiredis

#: What a server that cannot serve now answers a command, which it does not run.
ERRORS = {
    "READONLY": "READONLY You can't write against a read only replica.",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "MISCONF": "MISCONF Errors writing to the AOF file: No space left on device",
    "BUSY": "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "NOSCRIPT": "NOSCRIPT No matching script. Please use EVAL.",
}
#: The ways in which a connection ends: before the command reaches the server, after it ran, within its answer.
CUTS = ("before", "after", "within")
#: The command runs, and its answer never comes.
SILENT = "silent"
_SCRIPTS = (b"EVAL", b"EVALSHA")
_CHUNK = 65_536


class FaultyProxy:
    """Passes commands on to the Redis at ``target``, one after the other; ``fault`` says what is to go wrong.

    ``fault`` gets the number of a script call, counted over all connections, and returns one of ``ERRORS``, ``CUTS`` or
    ``SILENT``, or nothing.
    """

    def __init__(self, target: Path, own: Path, fault: Callable[[int], str]) -> None:
        self._target = target
        self._fault = fault
        #: How many script calls there were.
        self.calls = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(own))
        self._listener.listen()
        self.url = f"unix://{own}"
        threading.Thread(target=self._accept, name="faulty-proxy", daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), name="faulty-connection", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            with self._lock:
                self._open |= {client, server}
            server.connect(str(self._target))
            commands = hiredis.Reader()
            while data := client.recv(_CHUNK):
                commands.feed(data)
                while (command := commands.gets()) is not False:
                    if not self._pass(command, client, server):
                        return

    def _pass(self, command: list[bytes], client: socket.socket, server: socket.socket) -> bool:
        """Handle one command; returns whether the connection goes on."""
        fault = ""
        if command[0].upper() in _SCRIPTS:
            with self._lock:
                self.calls += 1
                number = self.calls
            fault = self._fault(number)
        if fault == "NOSCRIPT" and command[0].upper() == b"EVAL":  # which brings the script
            fault = ""
        if fault in ERRORS:
            client.sendall(f"-{ERRORS[fault]}\r\n".encode())
            return True
        if fault == "before":
            return False
        server.sendall(hiredis.pack_command(tuple(command)))
        answer = _answer(server)
        if fault == SILENT:
            return bool(client.recv(1)) and False  # until the client gives up
        client.sendall(answer if not fault else answer[: len(answer) // 2] if fault == "within" else b"")
        return not fault


def _answer(server: socket.socket) -> bytes:
    """One whole answer."""
    reader, raw = hiredis.Reader(), b""
    while True:
        data = server.recv(_CHUNK)
        if not data:
            raise ConnectionError
        raw += data
        reader.feed(data)
        if reader.gets() is not False:
            return raw
