"""A rollout: a job that runs on its hosts in batches and stops when too many of them fail."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.rate import RATE_RULE, Rate
from jobqueue.model.verification import Verification

AUTO, APPROVE = "auto", "approve"
STOP, CANCEL = "stop", "cancel"
#: The most batches that a rollout may have: each is shown with its times and counts.
MAX_BATCHES = 1000
#: The most hosts that a canary, a batch or a limit of failures can name.
MAX_HOSTS = 1_000_000
#: The longest pause and deadline, in seconds.
MAX_SECONDS = 30 * 86_400

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)%")
_SPREAD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?")

#: A number of hosts, or a share of them such as "5%".
Amount = int | str


@dataclass(frozen=True)
class Rollout:
    """The terms of a rollout.

    The first ``canary`` hosts are a batch of their own; ``batch`` hosts follow at a time, all the others if it is None.
    ``spread`` is a label's key or a fact whose values take turns in the order of the hosts. Once ``max_failures`` hosts
    have failed, expired or been lost, or one canary has, no further batch is opened. ``pause_seconds`` lie between two
    batches; with ``between`` "approve" each waits for an approval. ``on_failure`` "cancel" also cancels what has been
    opened. After ``deadline_seconds`` no execution starts. ``verify`` runs on each host after its run; if it fails, the
    host has failed. ``rate`` limits how many executions start in a period: "50/s".
    """

    canary: int = 0
    batch: Amount | None = None
    spread: str | None = None
    max_failures: Amount = 1
    pause_seconds: float = 0
    between: str = AUTO
    on_failure: str = STOP
    deadline_seconds: float | None = None
    rate: str | None = None
    verify: Verification | None = None

    @classmethod
    def read(cls, terms: Mapping[str, Any]) -> Rollout:
        """The terms as a caller gives them. Raises ``InvalidInput``, which names the field."""
        names = [field.name for field in fields(cls)]
        for name, value in terms.items():
            if name not in names:
                raise _invalid(name[:80], f"Unknown field; a rollout has {', '.join(names)}.")
            if value is None:
                raise _invalid(name, "May not be null; leave it out.")
            if name in _CHECKS:
                _CHECKS[name](name, value)
        if not terms.keys() & {"canary", "batch", "rate"}:
            raise _invalid("batch", "Missing: give batch, canary or rate, such as batch: 10%.")
        verify = Verification.read(terms["verify"]) if "verify" in terms else None
        return cls(**{**terms, "verify": verify})

    def document(self) -> dict[str, Any]:
        """The terms in JSON form, without defaults."""
        pairs = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        terms = {name: value for name, value, default in pairs if value != default}
        return terms if self.verify is None else {**terms, "verify": self.verify.document()}

    def argument(self) -> str:
        """The terms as ``create_jobs.lua`` reads them."""
        pause = int(self.pause_seconds * 1_000_000)
        rate = Rate.parse(self.rate) if self.rate is not None else None
        paced = "" if rate is None else f"~{rate.argument()}"
        terms = (self.canary, self.batch or "100%", self.max_failures, pause, self.between, self.on_failure)
        return "|".join(map(str, terms)) + paced


def _invalid(name: str, sentence: str) -> InvalidInput:
    return InvalidInput.of(f"rollout.{name}", sentence)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _amount(name: str, value: Any) -> None:
    if isinstance(value, str):
        share = _SHARE.fullmatch(value)
        if share and 0 < float(share[1]) <= 100:
            return
    elif _is_number(value) and isinstance(value, int) and 1 <= value <= MAX_HOSTS:
        return
    raise _invalid(name, f"Must be a number of hosts from 1 to {MAX_HOSTS}, or a share of them from 0.01% to 100%.")


def _canary(name: str, value: Any) -> None:
    if not (_is_number(value) and isinstance(value, int) and 1 <= value <= MAX_HOSTS):
        raise _invalid(name, f"Must be a number of hosts from 1 to {MAX_HOSTS}; leave it out for none.")


def _key(name: str, value: Any) -> None:
    if not (isinstance(value, str) and _SPREAD.fullmatch(value)):
        raise _invalid(name, "Must be the key of a label or the name of a fact, such as zone or os.name.")


def _rate(name: str, value: Any) -> None:
    if not (isinstance(value, str) and Rate.parse(value)):
        raise _invalid(name, RATE_RULE)


def _seconds(least: float) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if not (_is_number(value) and least <= value <= MAX_SECONDS):
            raise _invalid(name, f"Must be a number of seconds from {least:g} to {MAX_SECONDS}.")

    return check


def _one_of(*words: str) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in words:
            raise _invalid(name, f"Must be {' or '.join(words)}.")

    return check


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "canary": _canary,
    "batch": _amount,
    "spread": _key,
    "max_failures": _amount,
    "pause_seconds": _seconds(0),
    "between": _one_of(AUTO, APPROVE),
    "on_failure": _one_of(STOP, CANCEL),
    "deadline_seconds": _seconds(1),
    "rate": _rate,
}
