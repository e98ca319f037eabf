"""The production server: gunicorn with gevent workers. ``docs/server.md`` says why, with figures."""

from __future__ import annotations

import logging
import os
import resource
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gevent import monkey
from gunicorn.app.base import BaseApplication
from gunicorn.errors import AppImportError

from api import tls
from api.log import ServerLog
from api.master import Master, mortal
from api.metrics.shared import SharedMetrics
from api.token import ensure_secret, ensure_token
from api.worker import Worker
from jobqueue import logs, tracing
from jobqueue.errors import InvalidSettings, LedgerUnavailable
from jobqueue.services.bucket import checked_options
from jobqueue.settings import Settings
from jobqueue.trust.signing.signer import Signer

if TYPE_CHECKING:
    from jobqueue.services import Services

# Flask, Redis and the rest are imported by the workers only, after gevent has made the standard library cooperative.

log = logging.getLogger("jobqueue.api")

#: Seconds that requests have to end after SIGTERM.
GRACEFUL_SECONDS = 20
#: Seconds that an idle connection is kept, longer than load balancers (60) and clients keep theirs.
KEEPALIVE_SECONDS = 75
#: Connections per worker. A follower of live output is one connection and one greenlet for as long as it looks on.
CONNECTIONS = 4096
BACKLOG = 2048
#: Characters of a token that cannot be guessed.
STRONG_TOKEN = 24
#: Limits of a request line, a header, and the number of headers.
MOST_LINE, MOST_HEADER, MOST_HEADERS = 8190, 16_380, 100


def serve(settings: Settings, server: type[Server] | None = None) -> None:
    """Serve the API until SIGTERM or SIGINT; ends the process (status 0 after a clean stop).

    ``server``: another one than that of the whole API. Raises ``InvalidSettings`` before anything starts: the address
    is taken or not local, the token cannot be stored, the keys of web tokens, TLS or the credentials
    of a bucket do not work.
    """
    logs.configure(settings)
    Signer.open(settings)  # reports an invalid key before anything is started
    token, written = ensure_token(settings)
    listener = listen(settings.api_host, settings.api_port)
    if written:
        log.warning("No token was configured; a new one is in %s", written)
    try:
        tls.check_address(settings, listener)
        tls.files_of(settings)
        _check_token_keys(settings)
        checked_options(settings)
    except InvalidSettings:
        listener.close()
        raise
    if len(token) < STRONG_TOKEN:
        log.warning(
            "SECURITY: the token has %d characters; guessing it is enough to run commands on every host. Use %d or "
            "more random characters, or none to have one generated.",
            len(token),
            STRONG_TOKEN,
        )
    _allow_many_connections()
    (server or Server)(replace(settings, token=token, api_secret=ensure_secret(settings)), listener).run()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ``InvalidSettings`` that names the address and the reason.

    gunicorn would try again for seconds and then end with status 1. Here a taken port is a mistake that stays one.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise InvalidSettings(f"JOBQUEUE_API_HOST: {host!r} is not a local address ({error.strerror}).") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise InvalidSettings(
            f"The API cannot listen on {host}:{port}: {error.strerror}. "
            "Choose another JOBQUEUE_API_HOST or JOBQUEUE_API_PORT."
        ) from error
    return listener


class Server(BaseApplication):
    """gunicorn, set up by our settings alone: no configuration file, no environment of its own."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        self.settings = settings
        self.header_seconds, self.body_seconds = settings.header_seconds, settings.body_seconds
        self._descriptor = listener.detach()  # gunicorn owns it from here on
        self._close: Callable[[], None] | None = None
        self._closing = threading.Event()
        self._metrics: SharedMetrics | None = None
        super().__init__(prog="jobqueue api")

    def run(self) -> None:
        """Serve; ends the process."""
        self._metrics = SharedMetrics()
        Master(self).run()

    def _on_worker_end(self, _server: Any, worker: Any) -> None:
        if self._metrics:
            self._metrics.forget(worker.pid)

    def _on_end(self, _server: Any) -> None:
        if self._metrics:
            self._metrics.remove()

    def load_config(self) -> None:
        """Called by gunicorn."""
        options: dict[str, Any] = {
            "bind": f"fd://{self._descriptor}",
            "backlog": BACKLOG,
            "workers": self.settings.api_workers,
            "worker_class": Worker,
            "worker_connections": CONNECTIONS,
            "keepalive": KEEPALIVE_SECONDS,
            # the system would wait for a client that does not receive the file for as long as it likes
            "sendfile": False,
            "graceful_timeout": GRACEFUL_SECONDS,
            "timeout": 60,
            "loglevel": self.settings.log_level.lower(),
            "logger_class": ServerLog,
            "proc_name": "jobqueue api",
            # else a socket in the home directory through which the server can be steered
            "control_socket_disable": True,
            # by default gunicorn trusts the headers of every local process; api/web.py handles proxies
            "forwarded_allow_ips": "",
            "forwarder_headers": "",
            "limit_request_line": MOST_LINE,
            "limit_request_field_size": MOST_HEADER,
            "limit_request_fields": MOST_HEADERS,
            "post_fork": mortal,
            "worker_exit": lambda _server, _worker: self.close(),
            "child_exit": self._on_worker_end,
            "on_exit": self._on_end,
        }
        files = tls.files_of(self.settings)
        if files is not None:
            options |= {"certfile": str(files[0]), "keyfile": str(files[1]), "ssl_context": _context}
        memory = Path("/dev/shm")  # noqa: S108 (the workers' sign of life must not wait for a disk)
        if memory.is_dir() and os.access(memory, os.W_OK):
            options["worker_tmp_dir"] = str(memory)
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Called by gunicorn in each worker: the application. A Redis that will not do ends the server."""
        from api.app import create_app
        from api.scheduling import submission_of
        from jobqueue.services.enrolment import AgentAdmitter
        from jobqueue.services.notifications.deliverer import Deliverer
        from jobqueue.services.notifications.notifier import Notifier
        from jobqueue.services.schedule_owner import OwnerReader
        from jobqueue.services.scheduler import Scheduler

        services = self.open_services()
        doorkeeper = AgentAdmitter(services.enrolment)
        owners = OwnerReader(services.ledger.credentials)
        make = partial(submission_of, services=services)
        submitter, engine = services.scheduled_submitter, services.workflow_engine
        scheduler = Scheduler(services.ledger, submitter, submitter.cancel, owners, make, engine)
        notifier = Notifier(services.ledger, Deliverer(services.ledger, services.channels, owners))
        background = [("scheduler", scheduler.run), ("notifier", notifier.run), ("doorkeeper", doorkeeper.run)]
        if services.bucket_keeper is not None:
            background.append(("bucket", services.bucket_keeper.run))
        for name, run in background:
            self.start_thread(name, run)
        return create_app(self.settings, services)

    def open_services(self) -> Services:
        """The use cases of this worker, closed with it. Raises ``AppImportError`` for a Redis that will not do."""
        from jobqueue.services import Services

        self._closing = threading.Event()  # made here: gevent has replaced the standard library's by now
        services = Services.open(self.settings)
        end_traces = tracing.start(self.settings, "jobqueue-api")

        def close() -> None:
            services.ledger.close()
            end_traces()

        self._close = close
        try:
            services.ledger.check()
        except LedgerUnavailable as error:
            log.warning("Requests are answered with 503 until Redis can be reached: %s", error)
        except InvalidSettings as error:
            raise AppImportError(error.message) from error  # gunicorn prints the sentence, and ends all workers
        return services

    def start_thread(self, name: str, run: Callable[[Callable[[float], bool]], None]) -> None:
        """Start background work of this worker, which gets a pause that returns True when the worker stops."""
        # a greenlet, like all threads of this process
        threading.Thread(target=run, args=(self._closing.wait,), name=name, daemon=True).start()

    def close(self) -> None:
        """Give back the connections of this worker."""
        self._closing.set()
        if self._close:
            self._close()


def _check_token_keys(settings: Settings) -> None:
    """Raises ``InvalidSettings`` if the keys of web tokens or their issuer do not work."""
    # PyJWT imports a class of `ssl`: loaded before gevent's patch, it would be the blocking one in every worker
    monkey.patch_ssl()
    from api.auth.web_token_keys import issuer_of, keys_of, source_of

    keys_of(settings)
    if "://" not in settings.jwt_jwks:
        source_of(settings)
    issuer_of(settings)


def _context(config: Any, _default: object) -> ssl.SSLContext:
    """gunicorn's hook."""
    context = tls.context(Path(config.certfile), Path(config.keyfile))
    # else gevent shakes hands before the worker has the connection, and waits for ever
    context.wrap_socket = partial(context.wrap_socket, do_handshake_on_connect=False)  # type: ignore[method-assign]
    return context


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < needed:
        highest = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, highest), hard))
