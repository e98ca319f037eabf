"""Which names the header Host may hold: a page from elsewhere must not reach us under a name of its own (rebinding)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.ip_address import is_ip_address
from jobqueue.settings import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 (recognised, not listened on)
#: A name or an address, then perhaps a port.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]{2,60}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
_REMEMBERED = 100


class Hosts:
    """The names under which an API may be asked.

    Those of loopback, the address that it listens on, and ``JOBQUEUE_ALLOWED_HOSTS``. Where it listens on all of the
    machine's addresses, any address will do: only names can be made to point elsewhere.
    """

    def __init__(self, settings: Settings) -> None:
        bound = settings.api_host.lower().strip("[]")
        self._names = _LOOPBACK | {bound} | {_plain(name) for name in settings.allowed_hosts}
        self._endings = tuple(name[1:] for name in settings.allowed_hosts if name.startswith("*."))
        self._takes_all = "*" in settings.allowed_hosts
        self._takes_addresses = bound in _WILDCARDS
        self._good: set[str] = set()

    def check(self, environ: Mapping[str, Any]) -> None:
        """Raise ``InvalidInput`` unless a request's Host is an allowed name. A request without Host passes.

        Browsers always send one.
        """
        host = environ.get("HTTP_HOST")
        if host is None or host in self._good:
            return
        if not self._takes_all and not self._is_ours(host):
            raise InvalidInput(
                "The Host header is not a name of this API; use the API's own address, or add the name to "
                "JOBQUEUE_ALLOWED_HOSTS."
            )
        if len(self._good) < _REMEMBERED:
            self._good.add(host)

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = _plain(match[1])
        if name in self._names or name.endswith(self._endings):
            return True
        return self._takes_addresses and is_ip_address(name)


def _plain(name: str) -> str:
    return name.lower().strip("[]").removesuffix(".")
