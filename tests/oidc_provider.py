"""An OpenID Connect provider on loopback: Authlib's server, an implementation independent of ours.

It speaks the authorization code flow (PKCE is required, answers carry ``iss``), the device authorization grant, refresh
tokens (each is good once) and revocation. People agree at once in the browser; tests decide about user codes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import urllib3
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode, OpenIDToken
from flask import Flask, Response, jsonify
from joserfc.jwk import RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Client(ClientMixin):
    """A registered client; public without a secret."""

    client_id: str
    redirect_uris: tuple[str, ...] = ()
    secret: str = ""

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        return self.redirect_uris[0] if self.redirect_uris else None

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        return method == ("client_secret_basic" if self.secret else "none")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in ("authorization_code", "refresh_token", _DEVICE)

    # of id_token_signed_response_alg, in the registration's metadata
    id_token_signed_response_alg = "RS256"


@dataclass
class Code:
    """An authorization code."""

    code: str
    client_id: str
    redirect_uri: str
    scope: str
    user: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Refresh:
    """A refresh token."""

    user: str
    client_id: str
    scope: str

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        return self.scope


@dataclass
class OidcProvider:
    """What tests set and see. ``url`` is the issuer."""

    url: str = ""
    clients: dict[str, Client] = field(default_factory=dict)
    #: The user who opens the authorization endpoint.
    user: str = "ann"
    roles: dict[str, list[str]] = field(default_factory=lambda: {"ann": ["read"], "bob": ["read"]})
    lifetime: int = 300
    #: Changes the claims of each ID token.
    alter: Callable[[dict[str, Any]], dict[str, Any]] = dict
    names_itself: bool = True
    refresh: dict[str, Refresh] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    decisions: dict[str, tuple[str, bool]] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"}))

    def decide(self, user: str, *, agrees: bool = True) -> None:
        """Answer every user code that is open."""
        for device in self.devices.values():
            self.decisions.setdefault(device["user_code"], (user, agrees))

    def open(self, address: str) -> str:
        """Open an authorization request as a browser would; returns the address that it leads back to."""
        answer = urllib3.request("GET", address, redirect=False, timeout=10)
        assert answer.status == 302, answer.data
        return str(answer.headers["Location"])


@contextmanager
def serving() -> Iterator[OidcProvider]:
    """A provider that serves until the block ends."""
    provider = OidcProvider()
    app = _application(provider)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        return


def parameters_of(address: str) -> dict[str, str]:
    """The query of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query, keep_blank_values=True).items()}


def _application(provider: OidcProvider) -> Flask:
    app = Flask("provider")
    app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
    server = AuthorizationServer(app, provider.clients.get, lambda token, request: _keep(provider, token, request))
    id_token = _id_token(provider)
    server.register_grant(_code_grant(provider), [_id_token(provider, OpenIDCode)(), CodeChallenge(required=True)])
    server.register_grant(_device_grant(provider), [id_token()])
    server.register_grant(_refresh_grant(provider), [id_token()])
    server.register_endpoint(_device_endpoint(provider)(server))
    server.register_endpoint(_revocation(provider)(server))
    server.register_extension(_issuer(provider)())

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Response:
        return jsonify(
            issuer=provider.url,
            authorization_endpoint=f"{provider.url}/authorize",
            token_endpoint=f"{provider.url}/token",
            device_authorization_endpoint=f"{provider.url}/device",
            revocation_endpoint=f"{provider.url}/revoke",
            jwks_uri=f"{provider.url}/jwks",
            scopes_supported=["openid", "offline_access"],
            authorization_response_iss_parameter_supported=provider.names_itself,
        )

    @app.get("/jwks")
    def jwks() -> Response:
        return jsonify(keys=[provider.key.as_dict(private=False)])

    @app.get("/authorize")
    def authorize() -> Response:
        grant = server.get_consent_grant(end_user=provider.user)
        answer: Response = server.create_authorization_response(request=None, grant_user=provider.user, grant=grant)
        return answer

    @app.post("/token")
    def token() -> Response:
        answer: Response = server.create_token_response()
        return answer

    @app.post("/device")
    def device() -> Response:
        answer: Response = server.create_endpoint_response("device_authorization")
        return answer

    @app.post("/revoke")
    def revoke() -> Response:
        answer: Response = server.create_endpoint_response("revocation")
        return answer

    return app


def _keep(provider: OidcProvider, token: dict[str, Any], of: Any) -> None:
    if "refresh_token" in token:
        provider.refresh[token["refresh_token"]] = Refresh(of.user, of.client.client_id, token.get("scope", ""))


def _id_token(provider: OidcProvider, base: type = OpenIDToken) -> type:
    class IdToken(base):  # type: ignore[misc, valid-type]
        def resolve_client_private_key(self, _client: Client) -> RSAKey:
            return provider.key

        def get_client_algorithm(self, _client: Client) -> str:
            return "RS256"

        def get_client_claims(self, _client: Client) -> dict[str, Any]:
            return {"iss": provider.url}

        def exists_nonce(self, nonce: str, of: Any) -> bool:
            return any(code.nonce == nonce for code in provider.codes.values())

        def generate_user_info(self, user: str, _scope: str) -> UserInfo:
            return UserInfo(sub=user, roles=provider.roles.get(user, []))

        def get_compatible_claims(self, of: Any) -> dict[str, Any]:
            now = int(time.time())
            return {"iss": provider.url, "aud": [of.client.client_id], "iat": now, "exp": now + provider.lifetime}

        def encode_id_token(self, token: dict[str, Any], of: Any) -> str:
            from joserfc import jwt

            claims = {**self.get_compatible_claims(of), **self.generate_user_info(of.user, token["scope"])}
            if of.authorization_code:
                claims.update(self.get_authorization_code_claims(of.authorization_code))
            return jwt.encode({"alg": "RS256", "kid": "k1"}, provider.alter(claims), provider.key)

    return IdToken


def _code_grant(provider: OidcProvider) -> type:
    class Grant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "none")

        def save_authorization_code(self, code: str, of: Any) -> Code:
            payload = of.payload
            provider.codes[code] = Code(
                code,
                of.client.client_id,
                payload.redirect_uri,
                payload.scope,
                of.user,
                payload.data.get("nonce"),
                payload.data.get("code_challenge"),
                payload.data.get("code_challenge_method"),
            )
            return provider.codes[code]

        def query_authorization_code(self, code: str, client: Client) -> Code | None:
            found = provider.codes.get(code)
            return found if found is not None and found.client_id == client.client_id else None

        def delete_authorization_code(self, code: Code) -> None:
            del provider.codes[code.code]

        def authenticate_user(self, code: Code) -> str:
            return code.user

    return Grant


def _device_grant(provider: OidcProvider) -> type:
    class Grant(DeviceCodeGrant):  # type: ignore[misc]
        def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
            found = provider.devices.get(device_code)
            return DeviceCredentialDict(found) if found else None

        def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
            return provider.decisions.get(user_code)

        def should_slow_down(self, _credential: Any) -> bool:
            return False

    return Grant


def _refresh_grant(provider: OidcProvider) -> type:
    class Grant(grants.RefreshTokenGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "none")
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> Refresh | None:
            self.used = refresh_token
            return provider.refresh.get(refresh_token)

        def authenticate_user(self, refresh_token: Refresh) -> str:
            return refresh_token.user

        def revoke_old_credential(self, _refresh_token: Refresh) -> None:
            del provider.refresh[self.used]

    return Grant


def _device_endpoint(provider: OidcProvider) -> type:
    class Endpoint(DeviceAuthorizationEndpoint):  # type: ignore[misc]
        INTERVAL = 1

        def get_verification_uri(self) -> str:
            return f"{provider.url}/enter"

        def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
            provider.devices[data["device_code"]] = {
                **data,
                "client_id": client_id,
                "scope": scope,
                "expires_at": time.time() + data["expires_in"],
            }

    return Endpoint


def _revocation(provider: OidcProvider) -> type:
    class Endpoint(RevocationEndpoint):  # type: ignore[misc]
        CLIENT_AUTH_METHODS = ("client_secret_basic", "none")

        def query_token(self, token: str, _hint: str) -> Refresh | None:
            self.asked = token
            return provider.refresh.get(token)

        def revoke_token(self, _token: Refresh, _request: Any) -> None:
            del provider.refresh[self.asked]

    return Endpoint


def _issuer(provider: OidcProvider) -> type:
    class Issuer(IssuerParameter):  # type: ignore[misc]
        def get_issuer(self) -> str | None:
            return provider.url if provider.names_itself else None

    return Issuer
