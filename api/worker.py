"""The server's worker process: gunicorn's gevent worker that can end while clients keep idle connections open."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import uuid
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

import gevent
from gevent.ssl import SSLSocket
from gunicorn import util
from gunicorn.http import RequestParser, wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.ggevent import GeventWorker

from api import ordinary_request, server_refusal
from api.chunked import CheckedBody
from api.correlation import HEADER, chosen
from api.fairness import FairSocket
from api.live.closing import closing
from api.ordinary_request import OrdinaryRequest
from api.server_response import Response
from jobqueue.errors import InvalidInput

#: What libev calls an event of a socket that can be read.
_READABLE = 1

#: Bytes of an unread body that are drained, and how many at a time.
_MOST_DISCARDED = 1024**3
_DISCARD_STEP = 256 * 1024
#: Bytes that are read after an invalid request, so that its response arrives.
_MOST_UNREAD = 8 * 1024**2
#: Seconds that a client has to read the response to an invalid request.
_REFUSAL_SECONDS = 2.0
#: As gunicorn names the header with a request's id.
_ID_HEADER = HEADER.upper()
#: gunicorn takes a prefix of all paths from there.
_MOUNTED = bool(os.environ.get("SCRIPT_NAME"))
_NOTHING: Mapping[str, Any] = {}


class Worker(GeventWorker):
    """On SIGTERM, finishes the requests that it has and closes connections that wait for a next one.

    gunicorn waits for idle keep-alive connections as for requests. So either they would have to be closed after a few
    seconds always, which costs clients a new connection and, at worst, a failed POST; or every stop would take as long.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._clients: dict[object, socket.socket] = {}
        self._idle: set[socket.socket] = set()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve one connection. Called by gunicorn."""
        current = gevent.getcurrent()
        self._clients[current] = client
        try:
            if self._greet(client):
                client.setblocking(True)
                self._serve(listener, FairSocket(client, self.app.body_seconds), addr)
        finally:
            del self._clients[current]
            util.close(client)

    def _serve(self, listener: Any, client: FairSocket, addr: Any) -> None:
        """Serve the requests of a connection, one after the other, until it ends."""
        request = None
        wait = _Idle(self, self._clients[gevent.getcurrent()], header_seconds=self.app.header_seconds, is_reused=True)
        try:
            parser = RequestParser(self.cfg, client, addr)
            server = listener.getsockname()
            shared = self._shared_environ(server, addr)
            while True:
                request = None
                with wait:
                    # what proxies may say about their clients, gunicorn's parser knows; here api/web.py handles it
                    request = ordinary_request.read(parser.unreader) if shared else None
                    request = request or next(parser)
                if request is None:  # it came too late, or the worker stops
                    break
                self.handle_request(server, request, client, addr, shared)
        except (NoMoreData, StopIteration) as error:
            self.log.debug("A connection ended: %s", error)
        except ssl.SSLError as error:
            self.handle_error(request, client, addr, error)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                self.log.exception("Socket error processing request.")
        except BaseException as error:  # noqa: BLE001 (answered, and logged unless the client is at fault)
            self.handle_error(request, client, addr, error)
        finally:
            wait.close()

    def _shared_environ(self, server: Any, addr: Any) -> dict[str, Any]:
        """The part of the WSGI environment that all requests of a connection share; empty where gunicorn must read
        each: not for TCP, and for proxies that it is told to trust.
        """
        if not (isinstance(server, tuple) and isinstance(addr, tuple)) or self.cfg.forwarded_allow_ips or _MOUNTED:
            return {}
        return {
            **wsgi.base_environ(self.cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "https" if self.cfg.is_ssl else "http",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": server[0],
            "SERVER_PORT": str(server[1]),
            "REMOTE_ADDR": addr[0],
            "REMOTE_PORT": str(addr[1]),
            "SCRIPT_NAME": "",
        }

    def _greet(self, client: socket.socket) -> bool:
        """Begin TLS, if that is spoken; returns False for a client that cannot, or takes too long for it."""
        if not isinstance(client, SSLSocket):
            return True
        try:
            with gevent.Timeout(self.app.header_seconds):
                client.do_handshake()  # gunicorn does this once more, to no effect
        except (gevent.Timeout, OSError) as error:
            self.log.debug("A client could not begin TLS: %s", error)
            client.close()
            return False
        return True

    def handle_request(self, server: Any, req: Any, sock: Any, addr: Any, shared: Mapping[str, Any] = _NOTHING) -> None:
        """Serve one request. Raises ``StopIteration`` if the connection ends with it.

        ``shared``: the part of the environment that the requests of its connection share.
        """
        sock.give_turn()  # requests may have arrived in advance, any number of them
        joined = _Joined(sock)
        if isinstance(req, OrdinaryRequest):
            response, environ = Response(req, joined, self.cfg), req.environ(shared, joined)
        else:
            self._check(req, sock)
            req.body = CheckedBody(req)
            response, environ = wsgi.create(req, joined, addr, server, self.cfg, Response)
            environ["wsgi.multithread"] = True
        is_last = True
        try:
            is_last = self._respond(environ, response)
        finally:
            joined.flush()
        if not joined.is_ended and (req.body.failed or not (req.body.is_read or self._discard(req.body))):
            self._linger(sock)
            raise StopIteration
        if is_last or joined.is_ended:
            raise StopIteration

    def _check(self, req: Any, sock: Any) -> None:
        """Refuse what gunicorn's parser accepts and we do not. Raises ``StopIteration`` then."""
        if _is_last(req):
            req.force_close()
        refusal = _refusal_of(req)
        if refusal is not None:
            request_id = chosen(next((value for name, value in req.headers if name == _ID_HEADER), ""))
            self.log.info("request %s was refused with %d: %s", request_id, refusal.status, refusal.message)
            self._refuse(sock, refusal, request_id)
            raise StopIteration

    def _respond(self, environ: dict[str, Any], response: Response) -> bool:
        """Have the application answer; returns whether the connection ends with the response."""
        self.nr += 1
        if not self.alive:
            response.force_close()
        try:
            parts = self.wsgi(environ, response.start_response)
            try:
                for part in parts:
                    response.write(part)
                response.close()
            finally:
                if hasattr(parts, "close"):
                    parts.close()
        except StopIteration:  # the application has served the connection itself
            return True
        except gevent.GreenletExit:
            return False
        except OSError:
            raise
        except (Exception, SystemExit) as error:
            if not response.headers_sent:
                if isinstance(error, SystemExit):
                    return False
                raise
            self.log.exception("Error handling request")
            with suppress(OSError):
                response.sock.shutdown(socket.SHUT_RDWR)
                response.sock.close()
            return True
        return bool(response.should_close())

    def _discard(self, body: Any) -> bool:
        """Drain the unread rest of a request's body; returns whether all of it was read.

        A client that still sends would not see the answer if the connection was closed. gunicorn does this, too, but
        in small steps that do not yield to other greenlets.
        """
        unread = _MOST_DISCARDED
        with self.body_ctx():
            try:
                while unread > 0:
                    data = body.read(_DISCARD_STEP)
                    if not data:
                        return True
                    unread -= len(data)
                    gevent.sleep(0)  # buffered data is read without waiting, so other greenlets would never run
            except (OSError, InvalidInput):  # the client is gone, or its chunks are malformed
                return False
        return False

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a malformed request or an error outside of the application. Called by gunicorn."""
        if isinstance(exc, ssl.SSLError):  # nothing can be said without TLS
            self.log.debug("A client broke TLS: %s", exc)
            return
        identity = str(uuid.uuid4())
        refusal = server_refusal.of(
            exc,
            most_line=self.cfg.limit_request_line,
            most_header=self.cfg.limit_request_field_size,
            most_headers=self.cfg.limit_request_fields,
        )
        if refusal is None:
            self.log.error("request %s failed outside of the application", identity, exc_info=exc)
            refusal = server_refusal.FAULT
        else:  # %r: nothing that was sent forges lines of the log
            self.log.info("request %s was refused with %d: %.200r", identity, refusal.status, str(exc))
        self._refuse(client, refusal, identity)

    def _refuse(self, client: Any, refusal: server_refusal.Refusal, identity: str) -> None:
        """Send a refusal as the last that is said on a connection."""
        with suppress(OSError), gevent.Timeout(_REFUSAL_SECONDS, False):
            client.sendall(refusal.response(identity, is_secure=bool(self.cfg.is_ssl)))
        self._linger(client)

    def _linger(self, client: Any) -> None:
        """Drain the connection before it is closed: closing it with unread data would reset it and lose the answer."""
        with suppress(OSError), gevent.Timeout(_REFUSAL_SECONDS, False):
            client.shutdown(socket.SHUT_WR)
            unread = _MOST_UNREAD
            while unread > 0:
                data = client.recv(_DISCARD_STEP)
                if not data:
                    return
                unread -= len(data)

    def body_ctx(self) -> _Idle:
        """The context in which a request waits for the rest of its body."""
        return _Idle(self, self._clients[gevent.getcurrent()], seconds=self.app.body_seconds)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM."""
        if not self.booted:
            # No request has arrived yet. An exception would be lost if the signal interrupts a destructor, a weakref
            # callback, or code that catches all; the worker would then stay until the time for requests is over.
            os._exit(0)
        super().handle_exit(sig, frame)
        closing.set()
        for client in self._idle:
            hang_up(client)


def _refusal_of(req: Any) -> server_refusal.Refusal | None:
    """Why a request that gunicorn accepts is refused; None if it is not.

    gunicorn lets ``gzip, chunked`` pass, without decompressing the body.
    """
    if req.version >= (1, 1) and not any(name == "HOST" for name, _ in req.headers):
        return server_refusal.NO_HOST
    codings = (value for name, value in req.headers if name == "TRANSFER-ENCODING")
    if any(coding.strip().lower() != "chunked" for coding in codings):
        return server_refusal.OTHER_CODING
    return None


def _is_last(req: Any) -> bool:
    """Whether the client closes the connection after the response: gunicorn knows ``close`` only alone, and only in the
    first header ``Connection``.
    """
    options = (value for name, value in req.headers if name == "CONNECTION")
    return any(option.strip(" \t").lower() == "close" for value in options for option in value.split(","))


class _Joined:
    """A socket that sends a response's head together with the first part of its body; gunicorn sends them one by one.

    Everything after the first part, such as the events of a stream, is sent at once.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._head: bytes | None = None
        self._is_through = False
        #: Whether nothing more can be read from it.
        self.is_ended = False

    def end(self) -> None:
        """Close the connection after this response."""
        self.is_ended = True

    @property
    def unbuffered(self) -> Any:
        """The socket itself, for data that is not a response."""
        return self._sock

    def sendall(self, data: bytes) -> None:
        if self._is_through:
            self._sock.sendall(data)
        elif self._head is None:
            self._head = data
        else:
            self._is_through = True
            self._sock.sendall(self._head + data)

    def send_whole(self, data: bytes) -> None:
        """Send a response that is complete: its head and all of its body."""
        self._is_through = True
        self._sock.sendall(data)

    def flush(self) -> None:
        """Send the head of a response that has no body."""
        if self._head is not None and not self._is_through:
            self._is_through = True
            with suppress(OSError):  # the client was quicker
                self._sock.sendall(self._head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Idle:
    """A connection waits for its next request, at most for ``seconds`` (the keep-alive time), and no longer once the
    worker stops.

    Once something of a request has arrived, the rest of its headers has ``header_seconds``; None: no such limit.
    ``is_reused``: for one wait after the other, until ``close``. The timers and watchers of the event loop are then
    made once for a connection.
    """

    def __init__(
        self,
        worker: Worker,
        client: socket.socket,
        *,
        seconds: float | None = None,
        header_seconds: float | None = None,
        is_reused: bool = False,
    ) -> None:
        self._worker = worker
        self._client = client
        self._is_reused = is_reused
        self._timeout = gevent.Timeout(worker.cfg.keepalive if seconds is None else seconds, False)
        self._arrival: Any = None
        self._late: Any = None
        if header_seconds is not None:
            loop = gevent.get_hub().loop
            self._arrival, self._late = loop.io(client.fileno(), _READABLE), loop.timer(header_seconds)

    def __enter__(self) -> None:
        self._timeout.start()
        if self._arrival is not None:
            self._arrival.start(self._begin, gevent.getcurrent())
        self._worker._idle.add(self._client)
        if not self._worker.alive:
            hang_up(self._client)

    def _begin(self, reader: Any) -> None:
        """The first bytes are there. Called by the event loop."""
        self._arrival.stop()
        self._late.start(reader.throw, self._timeout)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        self._worker._idle.discard(self._client)
        self._timeout.cancel()
        if self._arrival is not None:
            self._arrival.stop()
            self._late.stop()
        if not self._is_reused:
            self.close()
        return error is self._timeout

    def close(self) -> None:
        """Give back what the event loop holds for it."""
        self._timeout.close()
        if self._arrival is not None:
            self._arrival.close()
            self._late.close()


def hang_up(client: socket.socket) -> None:
    """Read the received data, then stop: a request that has already arrived is still answered."""
    with suppress(OSError):  # the client was quicker
        # gevent's own shutdown() would raise an error in the greenlet that reads; that of the socket inside lets it
        # read the end
        getattr(client, "_sock", client).shutdown(socket.SHUT_RD)
