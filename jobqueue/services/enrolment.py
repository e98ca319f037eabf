"""Accepts agents, by invitation or by comparing fingerprints, and revokes them."""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable

from jobqueue.errors import (
    AgentNotFound,
    AuditUnavailable,
    Conflict,
    InvalidInput,
    JobQueueError,
    LedgerUnavailable,
    SealBroken,
)
from jobqueue.ledger.agents import Agents
from jobqueue.ledger.audit import together
from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.audit import AuditEntry
from jobqueue.model.target import check_hostname
from jobqueue.trust.signing import certificate as certificates
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.certificate import Invitation, Revocation
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys

logger = logging.getLogger(__name__)

#: Maximum lifetime of an invitation, in seconds.
LONGEST_INVITATION = 30 * 86_400
#: Maximum number of refused invitations that are recorded per minute: agents must not push other entries out of the
#: audit trail.
_MOST_REFUSALS = 10
_MINUTE_SECONDS = 60.0


class Enrolment:
    """Certifies agents' keys with the API's key."""

    def __init__(
        self,
        agents: Agents,
        signer: Signer,
        keys: TrustedKeys,
        clock: Callable[[], float] = time.time,
        *,
        record: Callable[[AuditEntry], None] | None = None,
    ) -> None:
        """``record`` writes the audit entries of refused invitations."""
        self._agents = agents
        self._signer = signer
        self._keys = keys
        self._clock = clock
        self._record = record
        self._refusals: deque[float] = deque(maxlen=_MOST_REFUSALS)

    def invite(self, hostname: str = "", seconds: int = 3600) -> tuple[str, int]:
        """A token for one agent (``hostname`` empty: any), and its expiry in microseconds."""
        if hostname:
            check_hostname(hostname)
        if not 1 <= seconds <= LONGEST_INVITATION:
            raise InvalidInput(f"An invitation may be valid for 1 to {LONGEST_INVITATION} seconds.")
        invitation = Invitation(secrets.token_hex(16), int(self._clock()) + seconds, hostname)
        return invitation.token(self._signer), invitation.expires * 1_000_000

    def accept(self, hostname: str, fingerprint: str, by: str) -> Agent:
        """Accept the agent with this complete fingerprint. Raises ``AgentNotFound``, ``Conflict``."""
        agent = self._agents.get(hostname)
        if not agent.public_key:
            raise Conflict(f"Agent {hostname!r} has not presented a key; upgrade the agent.")
        key = certificates.parse_public(agent.public_key)
        actual = pem.fingerprint(key)
        if not hmac.compare_digest(actual.encode(), fingerprint.lower().replace(":", "").encode("utf-8", "replace")):
            raise Conflict(
                f"Agent {hostname!r} has another fingerprint: {actual}. Compare it with the agent's log; if "
                "they differ, another process impersonates the agent."
            )
        self._certify(agent, by)
        return self._agents.get(hostname)

    def revoke(self, hostname: str, by: str) -> Agent:
        """Revoke an agent: it gets no work, and its earlier results no longer count as its own.

        Raises ``AgentNotFound``, and ``Conflict`` for an agent that was never accepted.
        """
        revocation = Revocation(hostname, max(int(self._clock() * 1_000_000), self._void_until(hostname)), by)
        self._agents.revoke(hostname, certificates.revoke(self._signer, revocation))
        return self._agents.get(hostname)

    def redeem(self) -> list[str]:
        """Accept the waiting agents with a valid invitation; returns their hostnames."""
        return [hostname for hostname in self._agents.joining() if self._try_to_redeem(hostname)]

    def _try_to_redeem(self, hostname: str) -> bool:
        """Try one agent, whose record may be forged; an error must not block the others."""
        try:
            return self._redeem(hostname)
        except LedgerUnavailable:
            raise
        except AuditUnavailable as error:  # the agent waits until its entry can be written
            logger.warning("Agent %s has an invitation and is not accepted yet: %s", hostname, error)
            return False
        except Exception:
            logger.exception("ALERT: the invitation of agent %s cannot be checked", hostname[:253])
            self._agents.certify(hostname, "", "")  # its invitation is no longer pending
            return False

    def _redeem(self, hostname: str) -> bool:
        try:
            agent = self._agents.get(hostname)
            invitation, proof = certificates.read_join(agent.joining)
            refusal = self._fault(invitation, proof, agent)
            if not refusal:
                seconds = invitation.expires - self._clock()
                by = f"invitation {invitation.number}"
                with together(lambda: _entry(by, agent)):
                    is_accepted = self._certify(agent, by, invitation.number, seconds + 86_400)
                if is_accepted:
                    logger.info("Agent %s is accepted by its invitation", hostname)
                    return True
                refusal = "another agent has used it before"
        except (SealBroken, InvalidInput, AgentNotFound) as error:
            refusal = error.message
        logger.warning("The invitation of agent %s is refused: %s", hostname, refusal)
        self._agents.certify(hostname, "", "")
        self._record_refusal(hostname, refusal)
        return False

    def _record_refusal(self, hostname: str, why: str) -> None:
        now = self._clock()
        is_full = len(self._refusals) == _MOST_REFUSALS and now - self._refusals[0] < _MINUTE_SECONDS
        if self._record is not None and not is_full:
            self._refusals.append(now)
            path = f"/agent/{hostname[:253]}/accept"
            self._record(
                AuditEntry(
                    "", "invitation", "", "", path, 0, "refused", "", details={"agent": hostname[:253], "why": why}
                )
            )

    def _fault(self, invitation: Invitation, proof: str, agent: Agent) -> str:
        """Why an invitation is invalid; empty if it is valid."""
        if not invitation.is_proof(self._signer, proof, agent.hostname, agent.public_key):
            return "it was not made by this API, or not for this agent's key"
        if invitation.expires < self._clock():
            return "it has expired"
        if invitation.hostname not in ("", agent.hostname):
            return f"it is for {invitation.hostname}"
        if agent.state is AgentState.REVOKED and not invitation.hostname:
            return "the agent was revoked: accept it by its fingerprint, or invite it by its name"
        return ""

    def _certify(self, agent: Agent, by: str, invitation: str = "", remember_seconds: float = 0.0) -> bool:
        key = certificates.parse_public(agent.public_key)
        # clocks of several machines differ, and the certificate must be valid from now on
        now = max(int(self._clock() * 1_000_000), self._void_until(agent.hostname) + 1)
        text = certificates.certify(self._signer, agent.hostname, agent.public_key, now, by)
        return self._agents.certify(agent.hostname, pem.key_id(key), text, invitation, remember_seconds)

    def _void_until(self, hostname: str) -> int:
        """The time (microseconds) up to which certificates of this host are revoked; 0 if never."""
        text = self._agents.revocations().get(hostname)
        try:
            return certificates.read_revocation(text, self._keys).at if text else 0
        except SealBroken:  # forged, or by a retired key: then the certificates of that time are void as well
            return 0


def _entry(by: str, agent: Agent) -> AuditEntry:
    """The audit entry of an agent that is accepted without a request."""
    key = certificates.parse_public(agent.public_key)
    details = {"fingerprint": pem.fingerprint(key)}
    return AuditEntry(by, "invitation", "", "", f"/agent/{agent.hostname}/accept", 0, "done", "", details=details)


class AgentAdmitter:
    """Periodically looks for agents with invitations."""

    every_seconds = 1.0

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment

    def run(self, pause: Callable[[float], bool]) -> None:
        """Run until ``pause(seconds)`` returns True."""
        while not pause(self.every_seconds):
            try:
                self._enrolment.redeem()
            except JobQueueError as error:
                logger.debug("Agents cannot be accepted at present: %s", error)
            except Exception:  # without this thread, agents would no longer be accepted
                logger.exception("Agents cannot be accepted at present")
