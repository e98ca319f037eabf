"""Whether a bundle has been used, and whether the agent has been accepted: from files and from the ledger."""

from __future__ import annotations

from jobqueue.errors import Conflict, InvalidInput, JobQueueError, LedgerUnavailable, SealBroken
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.timestamps import to_iso
from jobqueue.settings import Settings
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.bundle import Bundle
from jobqueue.trust.signing.certificate import Certificate, read_certificate
from workers.agent.guard.work_admission import own_file

_LARGEST = 64 * 1024


def own_certificate(settings: Settings, bundle: Bundle) -> Certificate | None:
    """The certificate in the agent's state directory, if the bundle's keys vouch for it."""
    try:
        with own_file(settings, "certificate").open(encoding="utf-8") as file:
            return read_certificate(file.read(_LARGEST), _keys(bundle))
    except (OSError, UnicodeError, SealBroken):
        return None


def require_unused(settings: Settings, bundle: Bundle, command: str) -> None:
    """Raise ``Conflict`` if an agent has been accepted with this bundle; reaches Redis with the bundle's credentials.

    ``command`` starts the agent of this host.
    Raises ``JobQueueError`` if Redis cannot be reached or refuses the bundle's user.
    """
    own = own_certificate(settings, bundle)
    if own is not None and own.by == _acceptance(bundle):
        raise Conflict(
            f"This bundle has been used on this host: agent {bundle.hostname!r} was accepted with it at "
            f"{to_iso(own.accepted)}. Start the agent, if it does not run: {command}"
        )
    certificate = _recorded(settings, bundle)
    if certificate is None or certificate.by != _acceptance(bundle) or _is_own(settings, certificate):
        return
    raise Conflict(
        "This bundle has been used on another machine: an agent with the key "
        f"{pem.fingerprint(certificate.key)} was accepted with it at {to_iso(certificate.accepted)}. If that was not "
        f"intended, revoke it (`jobqueue agent revoke {bundle.hostname}`) and make a new bundle."
    )


def _recorded(settings: Settings, bundle: Bundle) -> Certificate | None:
    """The certificate that the ledger holds for this hostname."""
    ledger = Ledger.open(settings)
    try:
        text = ledger.agents.certificate(settings.hostname)
    except LedgerUnavailable as error:
        raise JobQueueError(
            f"{error.message} The address is {settings.masked_redis_url}. If Redis refuses the user, a newer bundle "
            f"for {bundle.hostname!r} has replaced this one."
        ) from error
    finally:
        ledger.close()
    try:
        return read_certificate(text, _keys(bundle)) if text else None
    except SealBroken:  # of a key that was retired, or forged: no acceptance with this bundle
        return None


def _is_own(settings: Settings, certificate: Certificate) -> bool:
    try:
        key = pem.read_private(own_file(settings, "key"))
    except (FileNotFoundError, InvalidInput):
        return False
    return bytes(key.verify_key) == bytes(certificate.key)


def _acceptance(bundle: Bundle) -> str:
    """How the API names what accepted the agent (``Enrolment``)."""
    return f"invitation {bundle.invitation}"


def _keys(bundle: Bundle) -> pem.PublicKeys:
    return pem.parse_public_keys(bundle.trusted_keys.encode("ascii"), "the bundle")
