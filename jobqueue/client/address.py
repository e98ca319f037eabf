"""The address of the API and the token: from arguments, the environment, or the state directory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from jobqueue.client.contexts import Context, Contexts, contexts_file
from jobqueue.client.logins import Logins, LoginToken
from jobqueue.errors import InvalidInput
from jobqueue.settings import DEFAULT_REDIS_URL, Settings, env_name


@dataclass(frozen=True)
class Address:
    """``url`` has no trailing slash; ``token`` is None if there is none.

    ``ca`` is a PEM file with the only authority to trust; None: those of the system.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    ca: str | None = None
    #: The token of a context that was signed in, renewed as needed; called for each request. None: ``token`` is used.
    renewed_token: Callable[[], str] | None = field(default=None, repr=False)


def resolve(
    url: str | None = None,
    token: str | None = None,
    environ: Mapping[str, str] | None = None,
    context: str | None = None,
) -> Address:
    """The address to use: arguments win, then ``JOBQUEUE_URL``/``JOBQUEUE_TOKEN``, then the context, then the state
    directory. The context is ``context``, else ``JOBQUEUE_CONTEXT``, else the current one of the user's file.

    A context's token is sent to the context's own address only.
    The state directory's token belongs to the API that runs on this machine. It is sent to the address stored beside it
    or to a loopback address, never to any other host.
    Raises ``InvalidInput`` (``InvalidSettings`` for the environment).
    """
    environ = os.environ if environ is None else environ
    if url is not None and context is not None:
        raise InvalidInput(f"An address and the context {context[:80]!r} were given; give one of them.")
    if url is not None and token is not None:
        return Address(check_url(url), _checked_token(token))
    chosen = None if url is not None else _context(environ, context)
    if chosen is not None:
        return _of_context(chosen, token, environ, is_argument=context is not None)
    settings = Settings.from_env(environ, **_not_asked_for(url, token, environ))
    address = check_url(url if url is not None else settings.url)
    if token is None:
        named = url is not None or bool(environ.get(env_name("url")))
        from_environment = bool(environ.get(env_name("token")))
        token = settings.token if from_environment or not named or _is_loopback(address) else None
    return Address(address, _checked_token(token) if token is not None else None)


def _context(environ: Mapping[str, str], name: str | None) -> Context | None:
    """The context to use, or None. Raises ``NotFound`` for one that is not there."""
    if name is None and environ.get(env_name("url"), "").strip():
        return None
    contexts = Contexts.load(environ)
    chosen = name or environ.get(env_name("context"), "").strip() or contexts.current
    return contexts.get(chosen) if chosen else None


def _of_context(context: Context, token: str | None, environ: Mapping[str, str], *, is_argument: bool) -> Address:
    """The address of a context. Its token is not needed where another one wins."""
    url = check_url(context.url)
    renewed = None
    if token is None and (is_argument or not environ.get(env_name("token"), "").strip()):
        if context.token_file or context.token_command:
            token = context.token()
        elif context.issuer:
            renewed = LoginToken(Logins(contexts_file(environ)), context.name, url)
            token = renewed()
    address = resolve(url, token, environ)
    return Address(address.url, address.token, context.authority(), renewed)


def _not_asked_for(url: str | None, token: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    """Placeholder values for settings that a client does not use, so that no state directory is read for them.

    That directory may belong to another user or be unreadable, which does not matter to a client.
    """
    values = {} if environ.get(env_name("redis_url"), "").strip() else {"redis_url": DEFAULT_REDIS_URL}
    if url is not None:
        values["url"] = check_url(url)
    if token is not None:
        values["token"] = _checked_token(token)
    return values


def check_url(url: str) -> str:
    example = "give an address such as http://127.0.0.1:8080"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:  # an invalid port, or a malformed IPv6 address
        raise InvalidInput(f"{url[:120]!r} is not an API address; {example}.") from error
    if parts.username is not None or parts.password is not None:
        raise InvalidInput(
            f"An API's address must not contain a user or password; {example}, and a token in JOBQUEUE_TOKEN."
        )
    if not valid or parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise InvalidInput(f"{url[:120]!r} is not an API address; {example}.")
    return url.rstrip("/")


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token or not all("!" <= char <= "~" for char in token):
        raise InvalidInput("The token is empty or holds characters that a token cannot have (blanks, line breaks).")
    return token


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a hostname, which may resolve to another machine
        return False
