"""Agents' own keys: the API certifies that a key is that of a host, and the agent signs its results with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass

from nacl.signing import VerifyKey

from jobqueue.errors import InvalidInput, SealBroken
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.sealed import KeyRing, seal, unseal
from jobqueue.trust.signing.signer import Signer, is_signed
from jobqueue.trust.signing.trusted import TrustedKeys

_AGENT, _RESULT, _INVITE, _REVOKED = b"agent", b"result", b"invite", b"revoked"
_TOKEN_START = "jqj"  # noqa: S105 (what tokens begin with)


@dataclass(frozen=True)
class Certificate:
    """The API's statement that ``key`` belongs to the agent ``hostname``. ``accepted`` is in microseconds."""

    hostname: str
    key: VerifyKey
    accepted: int
    by: str

    def is_result(self, signature: str, result: bytes) -> bool:
        """Whether the agent signed this result."""
        return is_signed(self.key, signature, _RESULT, result)


def certify(signer: Signer, hostname: str, public_key: str, now: int, by: str) -> str:
    """A certificate, as text; ``public_key`` as returned by ``public_text``, else raises ``InvalidInput``."""
    parse_public(public_key)
    return seal(signer, _AGENT, {"hostname": hostname, "key": public_key, "accepted": now, "by": by})


def read_certificate(text: str, keys: KeyRing) -> Certificate:
    """Raises ``SealBroken`` unless a trusted key signed it."""
    fields = unseal(text, keys, _AGENT)
    return Certificate(fields["hostname"], parse_public(fields["key"]), fields["accepted"], fields["by"])


@dataclass(frozen=True)
class Revocation:
    """The API's revocation of all certificates issued to ``hostname`` until ``at`` (microseconds)."""

    hostname: str
    at: int
    by: str


def revoke(signer: Signer, revocation: Revocation) -> str:
    """A revocation, as text. It names the host, not a key: an agent can present any key."""
    return seal(signer, _REVOKED, {"hostname": revocation.hostname, "at": revocation.at, "by": revocation.by})


def read_revocation(text: str, keys: TrustedKeys) -> Revocation:
    """Raises ``SealBroken`` unless a trusted key signed it."""
    fields = unseal(text, keys, _REVOKED)
    return Revocation(fields["hostname"], fields["at"], fields["by"])


def public_text(key: VerifyKey) -> str:
    """A public key as text: base64 of its 32 bytes."""
    return base64.b64encode(bytes(key)).decode("ascii")


def parse_public(text: str) -> VerifyKey:
    """A public key from its text. Raises ``InvalidInput``."""
    try:
        return VerifyKey(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise InvalidInput("Not an Ed25519 public key; expected 32 bytes in base64.") from error


def sign_result(signer: Signer, result: bytes) -> str:
    """An agent's signature of a result."""
    return signer.sign(_RESULT, result)


def result_bytes(job_id: str, hostname: str, attempt: int, state: str, note: str, out: str) -> bytes:
    """The signed bytes of a result: everything shown of it. ``out`` is the operation's return value as stored."""
    digest = hashlib.sha256(out.encode("utf-8", "surrogatepass")).hexdigest()
    return json.dumps([job_id, hostname, attempt, state, note, digest]).encode("ascii")


@dataclass(frozen=True)
class Invitation:
    """A right to join, once, until ``expires`` (seconds since the epoch); ``hostname`` may be empty: any.

    The token holds a secret that can be derived again with the API's private key, so it is not stored. An agent never
    sends the secret: it proves that it knows it.
    """

    number: str
    expires: int
    hostname: str

    def token(self, signer: Signer) -> str:
        """The value of the agent's JOBQUEUE_JOIN_TOKEN."""
        return ":".join((_TOKEN_START, self.number, str(self.expires), self.hostname, self._secret(signer)))

    def is_proof(self, signer: Signer, proof: str, hostname: str, public_key: str) -> bool:
        """Whether ``proof`` was made with the token for this host and key."""
        return hmac.compare_digest(_proof(self._secret(signer), hostname, public_key), proof.encode("utf-8", "replace"))

    def _secret(self, signer: Signer) -> str:
        # Ed25519 signatures are deterministic and cannot be guessed
        signature = signer.sign(_INVITE, f"{self.number}:{self.expires}:{self.hostname}".encode())
        return hashlib.sha256(signature.encode("ascii")).hexdigest()


def join(token: str, hostname: str, public_key: str) -> str:
    """The join request of an agent with a token. Raises ``InvalidInput`` for an invalid token."""
    parts = token.split(":")
    if len(parts) != 5 or parts[0] != _TOKEN_START:
        raise InvalidInput("JOBQUEUE_JOIN_TOKEN is not a token of `jobqueue agent invite`.")
    _, number, expires, bound, secret = parts
    return ":".join((number, expires, bound, _proof(secret, hostname, public_key).decode("ascii")))


def read_join(text: str) -> tuple[Invitation, str]:
    """The invitation in a join request, and its proof. Raises ``SealBroken`` for an invalid request."""
    parts = text.split(":")
    if len(parts) != 4 or not parts[1].isdecimal() or len(text) > 1000:
        raise SealBroken("it is not a proof of an invitation")
    return Invitation(parts[0], int(parts[1]), parts[2]), parts[3]


def _proof(secret: str, hostname: str, public_key: str) -> bytes:
    message = f"{hostname}:{public_key}".encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode("utf-8", "surrogatepass"), message, hashlib.sha256).hexdigest().encode("ascii")


def fingerprint_of(public_key: str) -> str | None:
    """The fingerprint of a key as an agent presents it; None for an invalid key."""
    try:
        return pem.fingerprint(parse_public(public_key))
    except InvalidInput:
        return None
