"""A server that answers as Docker's Engine does (API 1.41), on a socket of its own, for the real ``docker``."""

from __future__ import annotations

import contextlib
import json
import re
import socketserver
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

VERSION = "1.41"
CREATED = "2026-01-31T12:00:00.5Z"


class Engine:
    """Containers and images by id. ``requests`` holds method, path and query of what changed something."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Any]] = {}
        self.images: dict[str, dict[str, Any]] = {}
        self.executions: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.printed, self.exit_code = (b"out\n", b"err\n"), 0

    def add_image(self, name: str, identity: str) -> None:
        self.images[name] = {"Id": f"sha256:{identity * 64}", "RepoTags": [name], "Size": 1234}

    def create(self, name: str, body: dict[str, Any]) -> str:
        identity = f"{len(self.containers) + 1:064x}"
        self.containers[identity] = {
            "Id": identity,
            "Name": f"/{name or 'bold_turing'}",
            "Created": CREATED,
            "State": {"Status": "created", "Running": False},
            "Config": {key: body.get(key) for key in ("Image", "Cmd", "Env", "Labels", "Hostname")},
            "HostConfig": body.get("HostConfig", {}),
            "Mounts": [{"Type": "bind", "Source": "/srv/www", "Destination": "/www"}],
            "NetworkSettings": {
                "Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "53/udp": None},
                "Networks": {"bridge": {"IPAddress": "172.17.0.2"}},
            },
        }
        return identity

    def container(self, name: str) -> dict[str, Any] | None:
        for identity, entry in self.containers.items():
            if identity.startswith(name) or entry["Name"] == f"/{name}":
                return entry
        return None


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    engine: Engine


@contextlib.contextmanager
def serving(path: Path) -> Iterator[Engine]:
    """An engine on the socket ``path``."""
    with _Server(str(path), _Handler) as server:
        server.engine = Engine()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.engine
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def address_string(self) -> str:
        return "socket"

    def do_HEAD(self) -> None:
        self._answer(200)

    def do_GET(self) -> None:
        self._dispatch("GET")

    def do_POST(self) -> None:
        self._dispatch("POST")

    def do_DELETE(self) -> None:
        self._dispatch("DELETE")

    def _dispatch(self, method: str) -> None:
        engine, url = self.server.engine, urlsplit(self.path)
        path = unquote(re.sub(r"^/v1\.\d+", "", url.path))
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}") if length else self._chunks()
        if method != "GET":
            engine.requests.append((method, path, query))
        for pattern, known, view in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and known == method:
                view(self, engine, query, body, *match.groups())
                return
        self._answer(404, {"message": f"page not found: {method} {path}"})

    def _chunks(self) -> Any:
        text = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                text += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return json.loads(text or b"{}")

    def _answer(self, status: int, document: Any = None) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Api-Version", VERSION)
        self.send_header("Ostype", "linux")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _missing(self, kind: str, name: str) -> None:
        self._answer(404, {"message": f"No such {kind}: {name}"})

    def ping(self, *_: Any) -> None:
        self._answer(200)

    def list_containers(self, engine: Engine, *_: Any) -> None:
        entries = [
            {
                "Id": entry["Id"],
                "Names": [entry["Name"]],
                "Image": entry["Config"]["Image"],
                "ImageID": "sha256:0",
                "Command": "sh",
                "Created": 1769860800,
                "State": entry["State"]["Status"],
                "Status": "Up 3 seconds",
                "Ports": [],
                "Labels": entry["Config"]["Labels"] or {},
            }
            for entry in engine.containers.values()
        ]
        self._answer(200, entries)

    def create(self, engine: Engine, query: dict[str, str], body: Any) -> None:
        if not any(body["Image"] in (name, name.removesuffix(":latest")) for name in engine.images):
            self._missing("image", body["Image"])
            return
        self._answer(201, {"Id": engine.create(query.get("name", ""), body), "Warnings": []})

    def inspect(self, engine: Engine, _query: Any, _body: Any, name: str) -> None:
        entry = engine.container(name)
        self._missing("container", name) if entry is None else self._answer(200, entry)

    def change(self, engine: Engine, _query: Any, _body: Any, name: str, verb: str) -> None:
        entry = engine.container(name)
        if entry is None:
            self._missing("container", name)
            return
        entry["State"]["Status"] = {"start": "running", "stop": "exited"}[verb]
        entry["State"]["Running"] = verb == "start"
        self._answer(204)

    def remove(self, engine: Engine, _query: Any, _body: Any, name: str) -> None:
        entry = engine.container(name)
        if entry is None:
            self._missing("container", name)
            return
        del engine.containers[entry["Id"]]
        self._answer(204)

    def create_exec(self, engine: Engine, _query: Any, body: Any, name: str) -> None:
        if engine.container(name) is None:
            self._missing("container", name)
            return
        engine.executions.append(body)
        self._answer(201, {"Id": "e1"})

    def start_exec(self, engine: Engine, *_: Any) -> None:
        self.send_response(101, "UPGRADED")
        self.send_header("Content-Type", "application/vnd.docker.multiplexed-stream")
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "tcp")
        self.end_headers()
        for stream, text in enumerate(engine.printed, 1):
            self.wfile.write(struct.pack(">BxxxI", stream, len(text)) + text)
        self.wfile.flush()
        self.close_connection = True

    def inspect_exec(self, engine: Engine, *_: Any) -> None:
        self._answer(200, {"ID": "e1", "Running": False, "ExitCode": engine.exit_code})

    def image(self, engine: Engine, _query: Any, _body: Any, name: str) -> None:
        entry = engine.images.get(name if ":" in name else f"{name}:latest")
        self._missing("image", name) if entry is None else self._answer(200, entry)

    def pull(self, engine: Engine, query: dict[str, str], *_: Any) -> None:
        name = query["fromImage"].removeprefix("docker.io/").removeprefix("library/")
        if name == "private":
            self._answer(404, {"message": "pull access denied for private, repository does not exist"})
            return
        engine.add_image(f"{name}:{query.get('tag', 'latest')}", "b")
        self._answer(200, {"status": "Status: Downloaded newer image"})

    def remove_image(self, engine: Engine, _query: Any, _body: Any, name: str) -> None:
        entry = engine.images.pop(name if ":" in name else f"{name}:latest", None)
        self._missing("image", name) if entry is None else self._answer(200, [{"Deleted": entry["Id"]}])


_NAME = r"([^/]+)"
_ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("/_ping", "GET", _Handler.ping),
    ("/containers/json", "GET", _Handler.list_containers),
    ("/containers/create", "POST", _Handler.create),
    (f"/containers/{_NAME}/json", "GET", _Handler.inspect),
    (f"/containers/{_NAME}/(start|stop)", "POST", _Handler.change),
    (f"/containers/{_NAME}/exec", "POST", _Handler.create_exec),
    (f"/containers/{_NAME}", "DELETE", _Handler.remove),
    (f"/exec/{_NAME}/start", "POST", _Handler.start_exec),
    (f"/exec/{_NAME}/json", "GET", _Handler.inspect_exec),
    ("/images/create", "POST", _Handler.pull),
    ("/images/(.+)/json", "GET", _Handler.image),
    ("/images/(.+)", "DELETE", _Handler.remove_image),
)
