"""Public keys with which users of the system may sign in by SSH."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validate

from jobqueue.operations.account import account_name
from jobqueue.operations.authorized_keys import AuthorizedKeys
from jobqueue.operations.base import operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, unified_diff
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Schema, Text, shape
from jobqueue.operations.ssh_public_key import SshPublicKey, has_options

_READ, _WRITE = "agent:read", "user:write"


def _check_key(line: str) -> None:
    if not line.isprintable() or has_options(line) or SshPublicKey.parse(line) is None:
        raise ValidationError("Must be one public key as ssh-keygen writes it: ssh-ed25519 AAAA... comment.")


class UserSchema(Schema):
    user = account_name(required=True)


class AddSchema(ChangeSchema):
    user = account_name(required=True)
    key = Text(required=True, validate=[validate.Length(1, 16_384), _check_key])


class RemoveSchema(ChangeSchema):
    user = account_name(required=True)
    fingerprint = Text(
        required=True,
        **shape(r"SHA256:[A-Za-z0-9+/]{43}", "Must be a fingerprint as ssh-keygen -l shows it: SHA256:..."),
    )


@operation("node.sshKey.list", schema=UserSchema, permission=_READ)
def ssh_key_list(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The public keys of a user: type, fingerprint, comment."""
    return {"user": data["user"], "keys": [vars(key) for key in _keys(AuthorizedKeys(data["user"]).read())]}


@operation("node.sshKey.add", schema=AddSchema, changes=True, idempotent=True, permission=_WRITE)
def ssh_key_add(data: dict[str, Any], context: Context) -> Outcome:
    """Add a public key that a user can sign in with; does nothing if the user already has it."""
    key = SshPublicKey.parse(data["key"])
    fingerprint = key.fingerprint if key else ""
    file = AuthorizedKeys(data["user"])
    before = file.read()
    after = before
    if fingerprint not in _fingerprints(before):
        gap = "" if not before or before.endswith("\n") else "\n"
        after = f"{before}{gap}{data['key'].strip()}\n"
    return _replaced(file, before, after, data, fingerprint)


@operation("node.sshKey.remove", schema=RemoveSchema, changes=True, idempotent=True, permission=_WRITE)
def ssh_key_remove(data: dict[str, Any], context: Context) -> Outcome:
    """Remove a public key of a user; does nothing if the user does not have it."""
    file, fingerprint = AuthorizedKeys(data["user"]), data["fingerprint"]
    before = file.read()
    kept = [line for line in before.splitlines(keepends=True) if fingerprint not in _fingerprints(line)]
    return _replaced(file, before, "".join(kept), data, fingerprint)


def _replaced(file: AuthorizedKeys, before: str, after: str, data: dict[str, Any], fingerprint: str) -> Outcome:
    changed = before != after
    if changed and not data["check"]:
        file.write(after)
    change = Change(changed, unified_diff(before, after, file.path))
    return change_outcome(change, data, {"user": data["user"], "fingerprint": fingerprint})


def _keys(text: str) -> list[SshPublicKey]:
    return [key for key in map(SshPublicKey.parse, text.splitlines()) if key]


def _fingerprints(text: str) -> set[str]:
    return {key.fingerprint for key in _keys(text)}
