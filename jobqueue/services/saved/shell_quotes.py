"""Where a quoted word may stand in a shell script: outside of quotes, comments and here-documents.

This is not a parser of shell scripts. What it cannot be sure about it calls unclear, and the template is refused.
"""

from __future__ import annotations

import re

#: Characters after which a # begins a comment.
_BREAKS = frozenset(" \t\n;&|()<>")
#: By the quote that is open: what does not change the position, which is most of a script.
_PLAIN = {
    "": re.compile(r"""(?:[^\\'"#<$`]|'[^']*'|"[^\\"<$`]*")+"""),
    "'": re.compile("[^']+"),
    '"': re.compile(r"""[^\\"<$`]+"""),
    "#": re.compile("[^\n]+"),
}


class ShellPosition:
    """The position after the text that was fed, in a script for a shell with the quotes of POSIX."""

    def __init__(self) -> None:
        self._quote = ""
        self._before = "\n"
        self._unclear = ""

    @property
    def fault(self) -> str:
        """Why a quoted word is not safe at this position; empty if it is."""
        if self._unclear:
            return f"after {self._unclear}, where quoting is not enough"
        return {"'": "inside '...'", '"': 'inside "..."', "#": "in a comment"}.get(self._quote, "")

    def word(self) -> None:
        """A quoted word was inserted."""
        self._before = "w"

    def feed(self, text: str) -> None:
        """Read more of the script."""
        position = 0
        while position < len(text) and not self._unclear:  # which does not change any more
            plain = _PLAIN[self._quote].match(text, position)
            if plain is None:
                position += self._step(text[position : position + 2])
                continue
            position = plain.end()
            if not self._quote:
                self._before = text[position - 1]

    def _step(self, pair: str) -> int:
        """Read one character, or two that belong together; returns how many. ``pair``: it and the next one."""
        if self._quote == "'":
            return self._inside(pair, "'")
        if self._quote == "#":
            return self._inside(pair, "\n")
        if pair[0] == "\\":
            if pair != "\\\n":  # which the shell takes out
                self._before = "w"
            return 2
        if pair in ("<<", "$'") or pair[0] == "`" or (self._quote and pair in ("$(", "${")):
            # in these, quotes have another meaning, or start over
            self._unclear = self._unclear or (pair[0] if pair[0] == "`" else pair)
        if self._quote:
            return self._inside(pair, '"')
        if pair[0] in "'\"" or (pair[0] == "#" and self._before in _BREAKS):
            self._quote = pair[0]
        self._before = pair[0]
        return 1

    def _inside(self, pair: str, end: str) -> int:
        if pair[0] == end:
            self._quote, self._before = "", "\n" if end == "\n" else "w"
        return 1
