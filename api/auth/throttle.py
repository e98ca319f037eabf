"""Rate limits on failed log-ins and on the requests of a principal."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from jobqueue.errors import TooManyRequests
from jobqueue.model.principal import Principal
from jobqueue.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobqueue.ledger.rate_limits import RateLimits

#: A name may fail this many times as often as an address: otherwise an attacker could lock the owner out.
_NAME_FACTOR = 5
#: An attacker with IPv6 usually controls a network of this size.
_IPV6_NETWORK = 64


class Throttle:
    """Counts in Redis, shared by all processes of the API."""

    def __init__(self, settings: Settings, limits: RateLimits) -> None:
        self._limits = limits
        self._failures = settings.login_failures
        self._window = settings.login_window_seconds
        self._rate = settings.rate_limit
        self._burst = settings.rate_burst

    @contextmanager
    def attempt(self, environ: Mapping[str, Any] | None, name: str = "") -> Iterator[Attempt]:
        """An attempt to log in from an address (the environment's) and under a name, as far as they are given.

        It counts as failed unless the block says that it ``succeeded``.

        Raises ``TooManyRequests`` before the block runs, when there were too many.
        """
        allowed: dict[str, int] = {}
        if environ is not None:
            allowed[f"address:{network_of(str(environ.get('REMOTE_ADDR') or ''))}"] = self._failures
        if name:
            allowed[f"name:{name}"] = self._failures * _NAME_FACTOR
        wait = self._limits.attempt(allowed, self._window)
        if wait > 0:
            raise TooManyRequests("Too many failed logins; try again later.", retry_after=wait)
        attempt = Attempt()
        yield attempt
        if attempt.has_succeeded:
            self._limits.succeeded(allowed)

    def pace(self, principal: Principal) -> None:
        """Raise ``TooManyRequests`` if this request of the principal comes too early."""
        if self._rate <= 0:
            return
        caller = f"{principal.kind}:{principal.id or principal.name}"
        wait = self._limits.wait(caller, self._rate, self._burst)
        if wait > 0:
            sentence = f"{principal.name} may send {self._rate:g} requests per second; wait a moment."
            raise TooManyRequests(sentence, retry_after=wait)


class Attempt:
    """One attempt to log in."""

    has_succeeded = False

    def succeeded(self) -> None:
        """Do not count it as failed."""
        self.has_succeeded = True


def network_of(address: str) -> str:
    """The network that one client may control: an IPv4 address, or a /64 of IPv6. Other text is returned unchanged."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))
    return str(parsed)
