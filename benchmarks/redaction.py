"""What it costs to take secrets out of running output, in bytes a second; against a plain search for each of them."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

from jobqueue.trust.secrets.redactor import Redactor, StreamRedactor

_PIECE = 64 * 1024
_BYTES = 4 * 1024 * 1024


def texts(size: int = _BYTES) -> dict[str, bytes]:
    """Output without a secret, of the kinds that jobs print."""
    draw = random.Random(1)
    words = [bytes(draw.choices(b"abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))).decode() for _ in range(2000)]

    def repeat(line: Callable[[int], str]) -> bytes:
        lines, length = [], 0
        while length < size:
            lines.append(line(len(lines)))
            length += len(lines[-1])
        return "".join(lines).encode()

    def sentence() -> str:
        return " ".join(draw.choices(words, k=9))

    return {
        "log lines": repeat(lambda n: f"2026-01-01 12:{n % 60:02}:07,{n % 1000:03} INFO [{n}] {sentence()}\n"),
        "JSON lines": repeat(
            lambda n: json.dumps({"time": n, "level": "info", "text": f'say "{sentence()}"\n'}) + "\n"
        ),
        "URLs": repeat(lambda n: f"GET /q?text={sentence().replace(' ', '%20')}&n={n} 200\n"),
        "base64": repeat(lambda _: draw.randbytes(57).hex() + "\n"),
        "coloured": repeat(lambda n: f"\x1b[32mok\x1b[0m {n} \x1b[1m{sentence()}\x1b[0m\n"),
    }


def rate(secrets: int, text: bytes) -> float:
    """Bytes a second that pass through a screen."""
    draw = random.Random(2)
    redactor = Redactor(f"s3cret/{draw.randbytes(18).hex()}+{number}" for number in range(secrets))
    screen = StreamRedactor(redactor, lambda _, __: None)
    begin = time.process_time()
    for at in range(0, len(text), _PIECE):
        screen.write("stdout", text[at : at + _PIECE])
    screen.close()
    return len(text) / (time.process_time() - begin)


def search_rate(secrets: int, text: bytes) -> float:
    """The same for a search for ten fixed forms of each secret, and nothing else: the unit to compare with."""
    draw = random.Random(2)
    forms = [draw.randbytes(24).hex().encode() for _ in range(10 * secrets)]
    begin = time.process_time()
    for at in range(0, len(text), _PIECE):
        plain = text[at : at + _PIECE].translate(None, b"\r\n")
        if any(form in plain for form in forms):
            raise AssertionError("a random form was found")
    return len(text) / (time.process_time() - begin)


def main() -> None:
    """Print a line for each kind of text and number of secrets."""
    for secrets in (1, 20, 200):
        for name, text in texts(_BYTES if secrets < 200 else _BYTES // 8).items():
            found, unit = rate(secrets, text), search_rate(secrets, text)
            print(f"{secrets:4} secrets, {name:10}: {found / 1e6:8.1f} MB/s, {found / unit:5.2f} of a plain search")


if __name__ == "__main__":
    main()
