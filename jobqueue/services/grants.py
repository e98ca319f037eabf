"""Grants where they are written: checked, spelled in one way, and never wider than their giver's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from jobqueue.errors import InvalidInput, InvalidTarget, PermissionDenied
from jobqueue.model.grant import MAX_GRANT, Grant, parse_grant
from jobqueue.model.principal import Principal, check_permissions
from jobqueue.targets.fleet import Fleet

_EVERY_HOST = "_all"


def spelled(permissions: Iterable[str], field: str = "permissions") -> tuple[str, ...]:
    """Grants in their canonical spelling, without duplicates, sorted. Raises ``InvalidInput`` that names the field."""
    texts = []
    for text in check_permissions(permissions, field):
        try:
            texts.append(_spelled(parse_grant(text)))
        except InvalidTarget as error:
            raise InvalidInput.of(field, f"{text[:80]!r}: {error.message}") from error
        if len(texts[-1]) > MAX_GRANT:
            raise InvalidInput.of(
                field, f"{text[:80]!r} has {len(texts[-1])} characters, at most {MAX_GRANT} are allowed."
            )
    return tuple(sorted(set(texts)))


def refuse_doubtful(grants: Iterable[str], fleet: Fleet) -> None:
    """Raise ``InvalidInput`` for a grant on the hosts without a label that no agent has: it is a typing error."""
    from jobqueue.targets import scopes, suggestions

    for text in grants:
        target = parse_grant(text).target
        for key in scopes.doubtful_keys(target, fleet) if target else ():
            hint = suggestions.for_key(fleet, key)
            sentence = f"{text[:80]!r} would apply to every host: no agent has a label or fact {key[:80]!r}.{hint}"
            raise InvalidInput.of("permissions", sentence)


def require(by: Principal, text: str) -> None:
    """Raise ``PermissionDenied`` unless a principal may hand on this grant: its own, or a narrower one."""
    needed = parse_grant(text)
    if by.may(needed.permission) or any(_is_within(needed, grant) for grant in by.restricted):
        return
    raise PermissionDenied.of(by.name, text)


def _spelled(grant: Grant) -> str:
    if grant.target is None:
        return str(grant)
    from jobqueue.targets import scopes  # its parser is part of the extra ``api``

    target = scopes.spelled(grant.target)
    return str(replace(grant, target=None if target == _EVERY_HOST else target))


def _is_within(needed: Grant, grant: Grant) -> bool:
    from jobqueue.targets import scopes

    if not grant.covers(needed.permission):
        return False
    if grant.target is not None and (needed.target is None or not scopes.is_within(needed.target, grant.target)):
        return False
    if grant.max_hosts is not None and not _is_lower(needed, grant):
        return False
    # each credential has an hour's count of its own: a second one would double it
    return grant.max_hosts_per_hour is None


def _is_lower(needed: Grant, grant: Grant) -> bool:
    if needed.max_hosts is None or grant.max_hosts is None:
        return False
    return (
        needed.max_hosts.is_percent == grant.max_hosts.is_percent and needed.max_hosts.amount <= grant.max_hosts.amount
    )
