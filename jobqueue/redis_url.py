"""Addresses of Redis, as the configuration spells them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from jobqueue.errors import InvalidSettings

SCHEMES = ("redis", "rediss", "unix", "sentinel")
DEFAULT_PORT = 6379
SENTINEL_PORT = 26379
_FORMS = (
    "redis://[user:password@]host[:port][/db], rediss://... (TLS), unix://[user:password@]/path/to/socket[?db=n] or "
    "sentinel://[user:password@]host:port,host2:port/service_name[/db][?sentinel_password=...]"
)
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):([^/@]*)@")
_QUERY_PASSWORD = re.compile(r"(?<=password=)[^&]*")
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::(.*))?")


def mask_password(url: str) -> str:
    """``redis://u:secret@h/0`` -> ``redis://u:***@h/0``: safe for logs and messages."""
    return _QUERY_PASSWORD.sub("***", _PASSWORD.sub(r"\1:***@", url))


@dataclass(frozen=True)
class RedisUrl:
    """A parsed ``redis://``, ``rediss://``, ``unix://`` or ``sentinel://`` address.

    ``hosts`` is one (host, port) pair, the sentinels for ``sentinel``, and empty for ``unix``; ``path`` is the socket;
    ``query`` is kept as written (redis-py understands it). ``sentinel_password`` is the sentinels' own.
    """

    text: str = field(repr=False)
    scheme: str
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    service: str = ""
    sentinel_password: str | None = field(default=None, repr=False)
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> RedisUrl:
        """Parse an address; raises ``InvalidSettings`` with the accepted forms."""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in SCHEMES:
            raise InvalidSettings(f"{mask_password(text)[:120]!r} is not a Redis URL; use {_FORMS}.")
        if re.search(r"[\s\x00-\x1f]", text):
            raise InvalidSettings(f"{mask_password(text)[:120]!r} contains blanks or control characters.")
        body, _, query = rest.partition("?")
        credentials, at, location = body.rpartition("@")
        username, password = _credentials(credentials) if at else (None, None)
        authority, _, path = location.partition("/")
        try:
            if scheme == "unix":
                return cls._unix(text, authority, path, query, username, password)
            if scheme == "sentinel":
                service, _, db = path.partition("/")
                if not _SERVICE.fullmatch(service):
                    raise ValueError("the name of the service is missing, such as /mymaster")
                hosts = tuple(_host_and_port(part, SENTINEL_PORT) for part in authority.split(","))
            else:
                service, db = "", path
                hosts = (_host_and_port(authority, DEFAULT_PORT),)
            return cls(
                text=text,
                scheme=scheme,
                hosts=hosts,
                db=_database(db) if db else _database_of_query(query),
                username=username,
                password=password,
                service=service,
                sentinel_password=_of_query(query, "sentinel_password"),
                query=query,
            )
        except ValueError as error:
            raise InvalidSettings(
                f"{mask_password(text)[:120]!r} is not a Redis URL: {error}; use {_FORMS}."
            ) from error

    @classmethod
    def _unix(
        cls, text: str, authority: str, path: str, query: str, username: str | None, password: str | None
    ) -> RedisUrl:
        if authority or not path:
            raise ValueError("a socket is given by its absolute path, as in unix:///run/redis.sock")
        return cls(
            text=text,
            scheme="unix",
            path="/" + unquote(path),
            db=_database_of_query(query),
            username=username,
            password=password,
            query=query,
        )

    @property
    def masked(self) -> str:
        """The address without its password."""
        return mask_password(self.text)

    def with_login(self, username: str, password: str) -> str:
        """The address with other credentials; with empty ones, without credentials."""
        _, _, rest = self.text.partition("://")
        body, mark, query = rest.partition("?")
        return f"{self.scheme}://{_login(username, password)}{body.rpartition('@')[2]}{mark}{query}"

    def broker(self) -> tuple[str, dict[str, Any]]:
        """The address in kombu's spelling: ``(broker_url, transport_options)`` for Celery."""
        login = _login(self.username, self.password)
        if self.scheme == "unix":
            return f"redis+socket://{login}{quote(self.path)}?virtual_host={self.db}", {}
        if self.scheme == "sentinel":
            hosts = ";".join(f"sentinel://{login}{_netloc(host, port)}/{self.db}" for host, port in self.hosts)
            options: dict[str, Any] = {"master_name": self.service}
            if self.sentinel_password:
                options["sentinel_kwargs"] = {"password": self.sentinel_password}
            return hosts, options
        return self.text, {}


def _credentials(text: str) -> tuple[str | None, str | None]:
    username, _, password = text.partition(":")
    return unquote(username) or None, unquote(password) or None


def _login(username: str | None, password: str | None) -> str:
    if not username and not password:
        return ""
    return f"{quote(username or '', safe='')}:{quote(password or '', safe='')}@"


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    bracketed = _BRACKETED.fullmatch(text)
    host, port = (bracketed[1], bracketed[2] or "") if bracketed else text.partition(":")[::2]
    if not host:
        raise ValueError("the host is missing")
    if not port:
        return host, default
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{port!r} is not a port")
    return host, int(port)


def _database(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a database number")
    return int(text)


def _database_of_query(query: str) -> int:
    text = _of_query(query, "db")
    return 0 if text is None else _database(text)


def _of_query(query: str, option: str) -> str | None:
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name == option:
            return unquote(value)
    return None
