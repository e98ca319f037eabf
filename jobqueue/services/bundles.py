"""Bundles: what a new host needs to join, in one file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode

from jobqueue.errors import AgentNotFound, Conflict, InvalidInput, InvalidSettings
from jobqueue.ledger.agents import Agents
from jobqueue.ledger.redis_users import RedisUsers
from jobqueue.model.agent import AgentState
from jobqueue.model.target import check_hostname, check_label
from jobqueue.plain_text import reason_of
from jobqueue.redis_url import RedisUrl
from jobqueue.services.enrolment import Enrolment
from jobqueue.settings import Settings, check_allowed
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.bundle import Bundle
from jobqueue.trust.signing.signer import Signer

_LOOPBACK = ("127.", "localhost", "[::1]", "::1")
_REDIS_URL = "redis_url"
_CA = "ssl_ca_certs"
#: The parameters of a Redis URL whose values redis-py opens as files.
_FILES = frozenset({_CA, "ssl_ca_path", "ssl_certfile", "ssl_keyfile"})


@dataclass(frozen=True)
class BundleRequest:
    """The content of a bundle to make.

    ``redis_url`` None: the address that the settings give, with a Redis user created for this agent. ``replace``
    permits a bundle for a hostname whose agent has joined already.
    """

    hostname: str
    seconds: int = 3600
    allow: tuple[str, ...] = ("read-only",)
    labels: Mapping[str, str] = field(default_factory=dict)
    redis_url: str | None = field(default=None, repr=False)
    replace: bool = False


@dataclass(frozen=True)
class MadeBundle:
    """A bundle's content and what to know about it. ``redis_user`` is empty if the caller gave the address."""

    text: str = field(repr=False)
    hostname: str
    #: Microseconds.
    expires_at: int
    redis_user: str
    #: Whether the Redis user outlives a restart of Redis.
    is_kept: bool

    @property
    def sha256(self) -> str:
        """The digest of the file, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class BundleMaker:
    """Makes bundles."""

    def __init__(self, settings: Settings, enrolment: Enrolment, agents: Agents, signer: Signer) -> None:
        self._settings = settings
        self._enrolment = enrolment
        self._agents = agents
        self._signer = signer

    def check(self, request: BundleRequest) -> None:
        """Raise ``InvalidInput`` or ``Conflict`` if no bundle can be made of this request; change nothing."""
        check_hostname(request.hostname)
        for key, value in request.labels.items():
            check_label(key, value)
        check_allowed(request.allow)
        self._address(request)
        if not request.replace and self._has_joined(request.hostname):
            raise Conflict(
                f"Agent {request.hostname!r} has joined already. A new bundle replaces the Redis user of this hostname "
                "and cuts that agent off. Choose another hostname, or set `replace` (--replace)."
            )

    def make(self, request: BundleRequest) -> MadeBundle:
        """A bundle. Creates the agent's Redis user and an invitation; raises like ``check``."""
        self.check(request)
        address = self._address(request)
        user, is_kept = "", True
        if request.redis_url is None:
            users = RedisUsers(self._settings.redis_admin_url or self._settings.redis_url, self._settings.key_prefix)
            try:
                login = users.create_agent(request.hostname)
            finally:
                users.close()
            address = RedisUrl.parse(address.with_login(login.name, login.password))
            user, is_kept = login.name, login.is_kept
        token, expires = self._enrolment.invite(request.hostname, request.seconds)
        url, authority = _portable(address)
        bundle = Bundle(
            hostname=request.hostname,
            expires=expires // 1_000_000,
            redis_url=url,
            key_prefix=self._settings.key_prefix,
            trusted_keys=self._trusted_keys(),
            join_token=token,
            allow=tuple(request.allow),
            labels=dict(request.labels),
            redis_ca=authority,
        )
        return MadeBundle(bundle.text(self._signer), request.hostname, expires, user, is_kept)

    def _has_joined(self, hostname: str) -> bool:
        try:
            return self._agents.get(hostname).state not in (AgentState.PENDING, AgentState.REVOKED)
        except AgentNotFound:
            return False

    def _address(self, request: BundleRequest) -> RedisUrl:
        """The address at which the agent reaches Redis. Raises ``Conflict`` without one that other hosts can use."""
        if request.redis_url is not None:
            return self._address_of_caller(request.redis_url)
        self._require_one_broker()
        address = RedisUrl.parse(self._settings.agent_redis_url or self._settings.redis_url)
        if address.scheme == "sentinel":
            raise Conflict(
                "Redis does not copy users to replicas, so no user can be created behind Sentinel. Run `jobqueue redis "
                f"acl --agent {request.hostname}` for every server, and give the address as redis_url."
            )
        if not self._settings.agent_redis_url and (
            address.scheme == "unix" or address.hosts[0][0].startswith(_LOOPBACK)
        ):
            raise Conflict(
                "The address at which other hosts reach Redis is not known: the API's own is local to this machine. "
                "Start with `jobqueue up --listen ADDRESS`, or set JOBQUEUE_AGENT_REDIS_URL for the API, for example "
                "to redis://redis.example.org:6379/0."
            )
        return RedisUrl.parse(address.with_login("", ""))

    def _address_of_caller(self, text: str) -> RedisUrl:
        """The address in the request. The only file of the API's machine that it may name is the authority's."""
        try:
            address = RedisUrl.parse(text)
        except InvalidSettings as error:
            raise InvalidInput.of(_REDIS_URL, error.message) from error
        if address.scheme == "unix":
            raise InvalidInput.of(
                _REDIS_URL, "A unix socket cannot be reached from another host; give a redis:// address."
            )
        own = {
            _files(RedisUrl.parse(url)).get(_CA)
            for url in (self._settings.redis_url, self._settings.agent_redis_url)
            if url
        }
        for name, path in _files(address).items():
            if name != _CA or path not in own:
                raise InvalidInput.of(
                    _REDIS_URL,
                    f"{name}={path[:200]!r} names a file, and the bundle is read on another machine. Only the "
                    f"certificate of the authority that the API itself uses ({_CA} in JOBQUEUE_REDIS_URL or "
                    "JOBQUEUE_AGENT_REDIS_URL) can be included.",
                )
        return address

    def _require_one_broker(self) -> None:
        if self._settings.broker_url != self._settings.redis_url:
            raise Conflict(
                "Messages go through a broker of its own (JOBQUEUE_BROKER_URL), whose credentials a bundle does not "
                "hold. Set the host up as described in docs/deployment.md."
            )

    def _trusted_keys(self) -> str:
        keys = {pem.key_id(self._signer.public_key): self._signer.public_key}
        try:
            keys |= pem.read_public(self._settings.trusted_keys)
        except FileNotFoundError:
            pass  # the API signs with a key from elsewhere, which is the only one
        except OSError as error:
            raise InvalidSettings(f"{self._settings.trusted_keys} cannot be read: {reason_of(error)}.") from error
        return "".join(pem.public_pem(key) for key in keys.values())


def _files(address: RedisUrl) -> dict[str, str]:
    """The files and folders that an address names, by their parameter."""
    return {name: path for name, path in parse_qsl(address.query, keep_blank_values=True) if name in _FILES}


def _portable(address: RedisUrl) -> tuple[str, str]:
    """The address without paths of this machine, and the authority's certificate that one of them named."""
    words = dict(parse_qsl(address.query, keep_blank_values=True))
    path = words.pop(_CA, "")
    if not path:
        return address.text, ""
    try:
        authority = Path(unquote(path)).read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise InvalidSettings(
            f"The authority's certificate {path} ({_CA}) cannot be read: {reason_of(error)}."
        ) from error
    base = address.text.partition("?")[0]
    return (f"{base}?{urlencode(words)}" if words else base), authority
