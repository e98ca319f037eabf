"""No input makes one of the product's regular expressions slow."""

from __future__ import annotations

import inspect
import re
import time
from types import ModuleType

import pytest

from tests.product_modules import product_modules

#: As long as anything that is matched before its length is looked at; a pattern that backtracks takes minutes for it.
LENGTH = 20_000
#: Seconds of CPU time for one text; a good pattern takes a thousandth of it.
LIMIT = 0.5
_PIECES = (
    "a",
    "0",
    " ",
    "-",
    ".",
    ":",
    "/",
    "_",
    "a-",
    "a.",
    "1:",
    "a=",
    "${",
    "-1.",
    '"',
    "%20",
    "[",
    "a b",
    "\u00fc",
    "A=1;",
)
TEXTS = [
    start + piece * (LENGTH // len(piece)) + end
    for piece in _PIECES
    for start, end in (("", ""), ("a", "!"), ("", "\n"))
]


def methods(module: ModuleType, name: str) -> set[str]:
    """How a module uses its pattern: what searches has more to try than what matches the whole text."""
    every = "fullmatch|match|search|sub|subn|split|findall|finditer"
    used = re.findall(rf"\b{name}\.({every})\b", inspect.getsource(module))
    return {method if method in ("fullmatch", "match") else "search" for method in used} or {"fullmatch"}


PATTERNS = {
    f"{module.__name__}.{name}": (value, methods(module, name))
    for module in product_modules()
    for name, value in vars(module).items()
    if isinstance(value, re.Pattern)
}


def test_there_are_some() -> None:
    assert len(PATTERNS) > 30


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_no_text_makes_it_slow(name: str) -> None:
    pattern, used = PATTERNS[name]
    for text in TEXTS:
        subject = text.encode() if isinstance(pattern.pattern, bytes) else text
        for method in sorted(used):
            begin = time.process_time()
            getattr(pattern, method)(subject)
            assert time.process_time() - begin < LIMIT, (method, text[:20])
