"""An agent's identity: its own key, and the API's certificate that the key belongs to this host."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from jobqueue.atomic_file import replace_file
from jobqueue.errors import InvalidInput, InvalidSettings, SealBroken
from jobqueue.settings import Settings
from jobqueue.trust.signing import certificate as certificates
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys
from workers.agent.guard.work_admission import own_file

logger = logging.getLogger(__name__)

_LARGEST_FILE = 64 * 1024


class Identity:
    """An agent's key and certificate. Thread-safe."""

    def __init__(self, hostname: str, signer: Signer, keys: TrustedKeys, path: Path, token: str | None = None) -> None:
        self._hostname = hostname
        self._signer = signer
        self._keys = keys
        self._path = path
        self._token = token
        self.public_key = certificates.public_text(signer.public_key)
        self.key_id = pem.key_id(signer.public_key)
        self.fingerprint = pem.fingerprint(signer.public_key)
        #: As text; empty until an administrator has accepted this agent.
        self.certificate = ""

    @classmethod
    def open(cls, settings: Settings, keys: TrustedKeys) -> Identity:
        """The identity of one agent; its key is generated at the first start. Raises ``InvalidSettings``."""
        key, _ = pem.ensure_private(own_file(settings, "key"))
        identity = cls(settings.hostname, Signer(key), keys, own_file(settings, "certificate"), settings.join_token)
        if not identity.accepted:
            identity._read()
        if not identity.accepted and settings.has_own_signing_key and settings.signing_key.exists():
            # a process that can read the API's private key may certify itself: `up`, with everything on one machine
            now, by = time.time_ns() // 1000, "the state directory"
            api = Signer(pem.read_private(settings.signing_key))
            identity.take(certificates.certify(api, settings.hostname, identity.public_key, now, by))
        if not identity.accepted:
            logger.warning(
                "This agent is waiting to be accepted: jobqueue agent accept %s %s",
                settings.hostname,
                identity.fingerprint,
            )
        return identity

    @property
    def accepted(self) -> bool:
        """Whether there is a certificate; it was verified when it was stored."""
        return bool(self.certificate)

    @property
    def joining(self) -> str:
        """The proof of an invitation; empty without one, or if none is needed."""
        if not self._token or self.accepted:
            return ""
        try:
            return certificates.join(self._token, self._hostname, self.public_key)
        except InvalidInput as error:
            raise InvalidSettings(error.message) from error

    def take(self, text: str) -> bool:
        """Verify, use and store a certificate; returns whether it is valid."""
        if text == self.certificate:
            return self.accepted
        if not self._is_right(text):
            return False
        try:
            replace_file(self._path, text)
        except OSError as error:
            logger.warning(
                "The certificate cannot be stored in %s; the next start will request it again: %s", self._path, error
            )
        self.certificate = text
        return True

    def sign(self, result: bytes) -> str:
        """This agent's signature of a result."""
        return certificates.sign_result(self._signer, result)

    def _read(self) -> None:
        try:
            with self._path.open(encoding="utf-8") as file:
                text = file.read(_LARGEST_FILE)
        except FileNotFoundError:
            return
        except (OSError, UnicodeError) as error:
            logger.warning("The certificate %s cannot be read: %s", self._path, error)
            return
        if self._is_right(text):
            self.certificate = text

    def _is_right(self, text: str) -> bool:
        try:
            certificate = certificates.read_certificate(text, self._keys)
        except SealBroken as error:
            logger.warning("A certificate for this agent is invalid: %s", error)
            return False
        if certificate.hostname != self._hostname or pem.key_id(certificate.key) != self.key_id:
            logger.warning("Ignored a certificate for agent %s with another key or name", certificate.hostname)
            return False
        return True
