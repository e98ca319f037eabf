"""The tokens of contexts that were signed in by `jobqueue login`: one file for each, and their renewal."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobqueue.atomic_file import replace_file
from jobqueue.errors import InvalidInput, SignInRefused

if TYPE_CHECKING:
    from jobqueue.oidc.provider import Provider
    from jobqueue.oidc.tokens import Registration, Tokens

FOLDER = "logins"
#: Seconds before its expiry at which a token is renewed, so that it does not expire in transit.
_MARGIN_SECONDS = 30.0
_OTHERS = 0o077
_MOST_BYTES = 65_536

#: Asks a provider for tokens by parameters of a grant.
Request = Callable[["Provider", "Registration", Mapping[str, str]], "Tokens"]


@dataclass(frozen=True)
class Login:
    """The tokens of one context. They are sent to ``url`` only. ``expires``: seconds since 1970."""

    url: str
    issuer: str
    client_id: str
    subject: str
    expires: float
    id_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)


class Logins:
    """The logins of this user, beside the file of contexts."""

    def __init__(self, contexts_file: Path) -> None:
        self._folder = contexts_file.parent / FOLDER

    def path(self, context: str) -> Path:
        """The file for a context's tokens."""
        return self._folder / f"{context}.json"

    def load(self, context: str) -> Login | None:
        """The login of a context; None if it is signed out. Raises ``InvalidInput`` for a file that others may read."""
        path = self.path(context)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InvalidInput(f"The login in {path} cannot be read: {error.strerror}.") from error
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if stat.S_IMODE(status.st_mode) & _OTHERS or status.st_uid != os.geteuid():
                raise InvalidInput(f"Other users may read {path}, which holds a token: chmod 600 {path}")
            return _parsed(file.read(_MOST_BYTES), path)

    def save(self, context: str, login: Login) -> None:
        """Write a login, for this user only. Raises ``InvalidInput``."""
        path = self.path(context)
        try:
            replace_file(path, json.dumps(asdict(login)))
        except OSError as error:
            raise InvalidInput(f"The login cannot be written to {path}: {error.strerror}.") from error

    def take(self, context: str) -> Login | None:
        """Delete a login, as soon as a renewal of it has ended, and return it; None if there is none.

        Raises ``InvalidInput``.
        """
        if not self._folder.is_dir():
            return None
        with self.locked(context):
            login = self.load(context)
            self._delete(context)
        return login

    def remove(self, context: str) -> None:
        """As ``take``, without reading the login, which may be damaged."""
        if self._folder.is_dir():
            with self.locked(context):
                self._delete(context)

    def _delete(self, context: str) -> None:
        for path in (self.path(context), self._lock_path(context)):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise InvalidInput(f"{path} cannot be deleted: {error.strerror}.") from error

    @contextmanager
    def locked(self, context: str) -> Iterator[None]:
        """One process at a time renews a login: providers accept a refresh token once."""
        path = self._lock_path(context)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be locked: {error.strerror}.") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _lock_path(self, context: str) -> Path:
        return self._folder / f"{context}.lock"


class LoginToken:
    """The token of a context that was signed in, renewed when it has expired. Call it for each request."""

    def __init__(
        self,
        logins: Logins,
        context: str,
        url: str,
        request: Request | None = None,
    ) -> None:
        self._logins = logins
        self._context = context
        self._url = url
        self._request = request
        self._login: Login | None = None

    def __call__(self) -> str:
        """The token. Raises ``InvalidInput`` if the context is signed out, ``SignInRefused`` if the provider ended the
        sign-in, ``ProviderUnavailable``.
        """
        login = self._login or self._loaded()
        if not self._is_fresh(login):
            with self._logins.locked(self._context):
                login = self._loaded()  # another process may have renewed it
                if not self._is_fresh(login):
                    login = self._renewed(login)
                    self._logins.save(self._context, login)
        self._login = login
        return login.id_token

    def _is_fresh(self, login: Login) -> bool:
        return time.time() < login.expires - _MARGIN_SECONDS

    def _loaded(self) -> Login:
        login = self._logins.load(self._context)
        if login is None or login.url != self._url:
            raise InvalidInput(f"The context {self._context!r} is signed out; {self._hint()}.")
        return login

    def _renewed(self, login: Login) -> Login:
        # a command whose token is good needs none of it
        from jobqueue.oidc.provider import discover
        from jobqueue.oidc.tokens import Registration, TokenError, request_tokens

        if not login.refresh_token:
            raise SignInRefused(f"The sign-in of context {self._context!r} has expired; {self._hint()}.")
        provider = discover(login.issuer)
        request = self._request or request_tokens
        parameters = {"grant_type": "refresh_token", "refresh_token": login.refresh_token}
        try:
            tokens = request(provider, Registration(login.client_id), parameters)
        except TokenError as error:
            raise SignInRefused(
                f"The sign-in of context {self._context!r} has ended ({error.reason}); {self._hint()}."
            ) from error
        subject, expires = checked_claims(tokens.id_token, login.issuer, login.client_id)
        if subject != login.subject:
            raise SignInRefused("The identity provider renewed the token of another user; sign in again.")
        refresh = tokens.refresh_token or login.refresh_token
        return replace(login, expires=expires, id_token=tokens.id_token, refresh_token=refresh)

    def _hint(self) -> str:
        return f"run `jobqueue login --context {self._context}`"


def checked_claims(token: str, issuer: str, client_id: str) -> tuple[str, float]:
    """Subject and end of an ID token that came from the provider over TLS. Raises ``SignInRefused`` for another's.

    The signature is checked by the API, with each request.
    """
    from jobqueue.oidc.tokens import unverified_claims

    claims = unverified_claims(token)
    audience, subject, expires = claims.get("aud"), claims.get("sub"), claims.get("exp")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != issuer or client_id not in audiences or claims.get("azp", client_id) != client_id:
        raise SignInRefused("The identity provider's ID token is for another client, or of another issuer.")
    if (
        not isinstance(subject, str)
        or not subject
        or isinstance(expires, bool)
        or not isinstance(expires, (int, float))
    ):
        raise SignInRefused("The identity provider's ID token names no subject (sub) or no end (exp).")
    return subject, float(expires)


def _parsed(raw: bytes, path: Path) -> Login:
    try:
        document: dict[str, Any] = json.loads(raw)
        login = Login(**document)
        login = replace(login, expires=float(login.expires))
        texts = (login.url, login.issuer, login.client_id, login.subject, login.id_token, login.refresh_token)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"The login in {path} is damaged; sign in again with `jobqueue login`.") from error
    if not all(isinstance(text, str) for text in texts):
        raise InvalidInput(f"The login in {path} is damaged; sign in again with `jobqueue login`.")
    return login
