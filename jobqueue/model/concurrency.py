"""Concurrency keys: a limit on the number of jobs or executions with the same key at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.target import LABEL_KEY_PATTERN

WAIT, REFUSE, REPLACE = "wait", "refuse", "replace"
POLICIES = (WAIT, REFUSE, REPLACE)
MAX_KEY = 200
#: The highest limit: each visit of a line checks all holders.
MAX_LIMIT = 100

_CHARACTERS = re.compile(r"[A-Za-z0-9._:/@+=-]*")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_LABEL = re.compile(f"label:{LABEL_KEY_PATTERN}")


@dataclass(frozen=True)
class Concurrency:
    """The terms of a concurrency key.

    ``key`` without a placeholder is held by a job until it has ended; with ``{host}`` or ``{label:KEY}`` by each of its
    executions while it runs. At most ``limit`` hold it. ``policy``: what a job does that finds no place: ``wait``,
    ``refuse`` (it is not accepted) or ``replace`` (it cancels those before it).
    """

    key: str
    limit: int = 1
    policy: str = WAIT

    @classmethod
    def read(cls, terms: Mapping[str, Any]) -> Concurrency:
        """The terms as a caller gives them. Raises ``InvalidInput``, which names the field."""
        names = [field.name for field in fields(cls)]
        for name, value in terms.items():
            if name not in names:
                raise _invalid(name[:80], f"Unknown field; concurrency has {', '.join(names)}.")
            if value is None:
                raise _invalid(name, "May not be null; leave it out.")
        if "key" not in terms:
            raise _invalid("key", "Missing; give a key, such as deploy-web.")
        _check_key(terms["key"])
        limit = terms.get("limit", 1)
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_LIMIT:
            raise _invalid("limit", f"Must be a whole number from 1 to {MAX_LIMIT}.")
        if terms.get("policy", WAIT) not in POLICIES:
            raise _invalid("policy", f"Must be {', '.join(POLICIES[:-1])} or {POLICIES[-1]}.")
        concurrency = cls(**terms)
        if concurrency.is_per_execution and concurrency.policy != WAIT:
            raise _invalid(
                "policy", f"A key with a placeholder can only {WAIT}: its executions find a place one by one."
            )
        return concurrency

    @property
    def is_per_execution(self) -> bool:
        """Whether executions hold it, not the job."""
        return "{" in self.key

    def document(self) -> dict[str, Any]:
        """The terms in JSON form, without defaults."""
        pairs = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return {name: value for name, value, default in pairs if value != default}

    def argument(self) -> str:
        """The terms as the scripts read them."""
        return f"{self.limit}|{self.policy}|{self.key}"


def _check_key(key: Any) -> None:
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY:
        raise _invalid("key", f"Must be a string of 1 to {MAX_KEY} characters.")
    for name in _PLACEHOLDER.findall(key):
        if name != "host" and not _LABEL.fullmatch(name):
            raise _invalid("key", f"Unknown placeholder {{{name[:80]}}}; there are {{host}} and {{label:KEY}}.")
    if not _CHARACTERS.fullmatch(_PLACEHOLDER.sub("", key)):
        raise _invalid(
            "key", "May contain letters, digits, . _ : / @ + = - and the placeholders {host} and {label:KEY}."
        )


def _invalid(name: str, sentence: str) -> InvalidInput:
    return InvalidInput.of(f"concurrency.{name}", sentence)
