"""``jobqueue login`` and ``jobqueue logout``: signing in by the identity provider of a context's API."""

from __future__ import annotations

import os
from dataclasses import replace

import click

from jobqueue.cli.connection import ended_in_order
from jobqueue.cli.context_option import CONTEXT, context_option
from jobqueue.cli.views.output import complain
from jobqueue.cli.views.text import one_line
from jobqueue.client.address import Address, check_url
from jobqueue.client.contexts import Context, Contexts
from jobqueue.client.logins import Login, Logins, checked_claims
from jobqueue.client.transport import Transport
from jobqueue.errors import InvalidInput, JobQueueError
from jobqueue.oidc.device_flow import request_code, wait_for_tokens
from jobqueue.oidc.provider import discover
from jobqueue.oidc.tokens import Registration, revoke
from jobqueue.settings import env_name

_SECONDS, _RETRIES = 15.0, 2
_OFFLINE = "offline_access"


class _Command(click.Command):
    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.params.append(context_option())

    def invoke(self, ctx: click.Context) -> object:
        return ended_in_order(ctx, super().invoke)


@click.command(cls=_Command)
@click.option("--replace", "may_replace", is_flag=True, help="Accept a different provider than before.")
@click.pass_context
def login(ctx: click.Context, may_replace: bool) -> None:
    """Sign in by the identity provider of the context's API, in any browser.

    \b
    jobqueue context create prod --url https://jobs.example.org --use
    jobqueue login

    The API names the provider (OpenID Connect, device authorization grant). The tokens are kept in a file that only
    you can read, are renewed when they expire, and are sent to this API only.
    """
    contexts, context = _chosen(ctx)
    if context.token_file or context.token_command:
        raise InvalidInput(f"The context {context.name!r} has a token of its own; create another one to sign in with.")
    url = check_url(context.url)
    issuer, client_id, scopes = _provider_of(url, context)
    if context.issuer and (context.issuer, context.client_id) != (issuer, client_id) and not may_replace:
        raise InvalidInput(
            f"The API at {url} names the provider {one_line(issuer)} (client {one_line(client_id)}), and named "
            f"{context.issuer} (client {context.client_id}) before. If that is right: jobqueue login --replace"
        )
    provider, client = discover(issuer), Registration(client_id)
    if _OFFLINE in provider.scopes and _OFFLINE not in scopes:
        scopes = [*scopes, _OFFLINE]
    code = request_code(provider, client, " ".join(scopes))
    click.echo(f"Signing in to {url} by {issuer} (client {client_id}).")
    click.echo(f"Open {code.address} in a browser and enter the code {code.user_code}")
    if code.full_address:
        click.echo(f"or open {code.full_address} and compare the code.")
    tokens = wait_for_tokens(provider, client, code)
    subject, expires = checked_claims(tokens.id_token, issuer, client_id)
    logins = Logins(contexts.path)
    logins.save(context.name, Login(url, issuer, client_id, subject, expires, tokens.id_token, tokens.refresh_token))
    Contexts.load().with_context(replace(context, issuer=issuer, client_id=client_id)).save()
    click.echo(f"Signed in to the context {context.name} as {one_line(subject)}.")


@click.command(cls=_Command)
@click.pass_context
def logout(ctx: click.Context) -> None:
    """Delete the tokens of `jobqueue login`, and revoke them at the provider if it supports that."""
    contexts, context = _chosen(ctx)
    stored = Logins(contexts.path).take(context.name)
    if stored is None:
        click.echo(f"The context {context.name} was signed out already.")
        return
    if stored.refresh_token:
        try:
            revoke(discover(stored.issuer), Registration(stored.client_id), stored.refresh_token)
        except JobQueueError as error:
            complain(f"The tokens are deleted, but could not be revoked at the provider: {error.message}")
    click.echo(f"The context {context.name} is signed out.")


def _chosen(ctx: click.Context) -> tuple[Contexts, Context]:
    contexts = Contexts.load()
    name = ctx.meta.get(CONTEXT) or os.environ.get(env_name("context"), "").strip() or contexts.current
    if not name:
        raise InvalidInput("There is no current context; create one: jobqueue context create NAME --url URL --use")
    return contexts, contexts.get(name)


def _provider_of(url: str, context: Context) -> tuple[str, str, list[str]]:
    """Issuer, client id and scopes, as the API names them."""
    transport = Transport(Address(url, None, context.authority()), timeout=_SECONDS, retries=_RETRIES)
    try:
        document = transport.request("GET", "/auth/provider")
    finally:
        transport.close()
    provider = document if isinstance(document, dict) else {}
    issuer, client_id, scopes = provider.get("issuer"), provider.get("client_id"), provider.get("scopes")
    if provider and issuer is None:
        raise InvalidInput(f"The API at {url} has no identity provider; use an API key or a password.")
    if not (isinstance(issuer, str) and isinstance(client_id, str) and isinstance(scopes, list)):
        raise InvalidInput(f"The server at {url} names no identity provider as the jobqueue API does.")
    if not (client_id.isprintable() and all(isinstance(scope, str) and scope.isprintable() for scope in scopes)):
        raise InvalidInput(f"The server at {url} names a client or scopes with characters that do not print.")
    return issuer, client_id, scopes
