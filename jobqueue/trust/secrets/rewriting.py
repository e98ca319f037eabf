"""A text with parts replaced or removed, which maps each byte to its position in the original."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Protocol

#: Bytes per block of a text whose bytes are counted; a position is then looked up within one block.
_BLOCK = 4096


class Layer(Protocol):
    """Maps positions of a rewritten text to those of the text it was made from."""

    def start(self, position: int) -> int:
        """Where the byte at ``position`` begins in the original."""

    def end(self, position: int) -> int:
        """Where the byte at ``position`` ends in the original."""


class Replacement:
    """``original`` with parts replaced: each ``(start, end, text)``, ordered and without overlap.

    A byte within a replaced part maps to the whole part, or if the parts are ``even`` to its share of it.
    """

    def __init__(self, original: bytes, parts: Iterable[tuple[int, int, bytes]], *, even: bool) -> None:
        self._even = even
        pieces: list[bytes] = []
        self._places: list[int] = []
        self._parts: list[tuple[int, int, int]] = []
        done = length = 0
        for start, end, text in parts:
            if start > done:
                pieces.append(original[done:start])
                length += start - done
            self._places.append(length)
            self._parts.append((start, end, len(text)))
            if text:
                pieces.append(text)
                length += len(text)
            done = end
        pieces.append(original[done:])
        self.text = b"".join(pieces)

    def start(self, position: int) -> int:
        return self._span(position)[0]

    def end(self, position: int) -> int:
        return self._span(position)[1]

    def _span(self, position: int) -> tuple[int, int]:
        index = bisect_right(self._places, position) - 1
        if index < 0:
            return position, position + 1
        start, end, length = self._parts[index]
        offset = position - self._places[index]
        if offset >= length:
            return end + offset - length, end + offset - length + 1
        if not self._even:
            return start, end
        share = (end - start) // length
        return start + offset * share, start + (offset + 1) * share


class Deletion:
    """``original`` after ``bytes.translate(table, dropped)``."""

    def __init__(self, original: bytes, table: bytes | None, dropped: bytes) -> None:
        self._original = original
        self._dropped = dropped
        self.text = original.translate(table, dropped)
        self._kept: list[int] | None = None
        #: Where the bytes of the block that was looked at last are in the original: one look at each block is enough.
        self._block: tuple[int, list[int]] = -1, []

    def start(self, position: int) -> int:
        if len(self.text) == len(self._original):
            return position
        if self._kept is None:  # needed only where a secret was found
            self._kept = [0]
            for at in range(0, len(self._original), _BLOCK):
                block = self._original[at : at + _BLOCK].translate(None, self._dropped)
                self._kept.append(self._kept[-1] + len(block))
        block_number = bisect_right(self._kept, position) - 1
        if block_number != self._block[0]:
            begin = block_number * _BLOCK
            block = self._original[begin : begin + _BLOCK]
            self._block = block_number, [begin + at for at, byte in enumerate(block) if byte not in self._dropped]
        offset = position - self._kept[block_number]
        return self._block[1][offset] if offset < len(self._block[1]) else len(self._original)

    def end(self, position: int) -> int:
        return self.start(position) + 1


class Rewritten:
    """A text after several rewritings, the first of them first."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._layers: list[Layer] = []

    def replace(self, parts: Iterable[tuple[int, int, bytes]], *, even: bool = False) -> None:
        layer = Replacement(self.text, parts, even=even)
        self._layers.append(layer)
        self.text = layer.text

    def drop(self, table: bytes | None, dropped: bytes) -> None:
        layer = Deletion(self.text, table, dropped)
        self._layers.append(layer)
        self.text = layer.text

    def copy(self) -> Rewritten:
        """A copy that can be rewritten further."""
        rewritten = Rewritten(self.text)
        rewritten._layers = list(self._layers)
        return rewritten

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the bytes from ``start`` to ``end`` (not empty) lie in the original text."""
        return self._through(start, lambda layer, at: layer.start(at)), self._last(end - 1) + 1

    def _last(self, position: int) -> int:
        return self._through(position, lambda layer, at: layer.end(at) - 1)

    def _through(self, position: int, step: Callable[[Layer, int], int]) -> int:
        for layer in reversed(self._layers):
            position = step(layer, position)
        return position
