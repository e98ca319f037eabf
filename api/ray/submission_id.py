"""Submission ids: job names, chosen by the caller or generated."""

from __future__ import annotations

import secrets
import string

from jobqueue.errors import InvalidInput

MAX_LENGTH = 200

#: No id begins with one of these and a colon: under /api/jobs, they are resources of Fusion's Jobs API.
RESERVED_TYPES = ("spark", "datasource", "task")
_ALPHABET = string.ascii_letters + string.digits
# Ray's client puts an id into URLs as it is: what a URL gives another meaning to would lead elsewhere
_MEANT_OTHERWISE = "/\\?#%"


def new() -> str:
    """A new id, as Ray makes them."""
    return "raysubmit_" + "".join(secrets.choice(_ALPHABET) for _ in range(16))


def check(text: str) -> str:
    """``text`` if Ray's client can address a job by it. Raises ``InvalidInput`` that says what is in the way."""
    sentence = _problem(text)
    if sentence:
        raise InvalidInput.of("submission_id", sentence)
    return text


def _problem(text: str) -> str | None:
    if not 1 <= len(text) <= MAX_LENGTH:
        return f"Must be 1 to {MAX_LENGTH} characters, not {len(text)}."
    if text in (".", ".."):
        return f"{text!r} cannot be part of a URL; choose another id."
    if text.partition(":")[0] in RESERVED_TYPES and ":" in text:
        return f"Must not begin with {text.partition(':')[0]}:, which names jobs of Fusion; choose another id."
    if text != text.strip():
        return "Must not begin or end with blanks."
    for character in text:
        if character in _MEANT_OTHERWISE:
            return f"Must not contain {character!r}: clients could not address the job by this id."
        if not character.isprintable():
            return f"Must not contain the character U+{ord(character):04X}; use letters, digits and punctuation."
    return None
