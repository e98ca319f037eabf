"""Control sequences of terminals, as ``grep --color`` puts them into the middle of words."""

from __future__ import annotations

import re

from jobqueue.trust.secrets.rewriting import Rewritten

#: One control sequence.
SEQUENCE = re.compile(
    rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}[@-~]|\][^\x00-\x1f]{0,1024}(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[=>78cM])"
)
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}|\][^\x00-\x1f]{0,1024}\x1b?|[()])?\Z")


def strip(text: Rewritten, *, goes_on: bool = False) -> None:
    """Leave the sequences out; if the text ``goes_on``, also one that has not ended."""
    if b"\x1b" not in text.text:
        return
    text.replace((match.start(), match.end(), b"") for match in SEQUENCE.finditer(text.text))
    if goes_on and (rest := _UNFINISHED.search(text.text)):
        text.replace([(rest.start(), rest.end(), b"")])
