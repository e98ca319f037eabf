"""What it costs to take secrets out of running output; the peer is a plain search for ten fixed texts per secret."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable

from benchmarks.report import Report, Row, median_ratio
from benchmarks.scale import Scale
from jobqueue.trust.secrets.redactor import Redactor, StreamRedactor

TITLE = "Taking secrets out of running output"
#: Secrets of a host, and the share of a plain search's throughput that is wanted with that many.
_WANTED = {1: 0.15, 20: 0.4, 200: 0.4}
_PIECE = 64 * 1024
_BYTES = 4 * 1024 * 1024


def texts(size: int = _BYTES) -> dict[str, bytes]:
    """Output without a secret, of the kinds that jobs print."""
    draw = random.Random(1)
    words = [bytes(draw.choices(b"abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))).decode() for _ in range(2000)]

    def repeat(line: Callable[[int], str]) -> bytes:
        lines: list[str] = []
        length = 0
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
    """Bytes per second of CPU time that pass through a redactor, piece by piece."""
    draw = random.Random(2)
    redactor = Redactor(f"s3cret/{draw.randbytes(18).hex()}+{number}" for number in range(secrets))
    stream = StreamRedactor(redactor, lambda _, __: None)
    begin = time.process_time()
    for at in range(0, len(text), _PIECE):
        stream.write("stdout", text[at : at + _PIECE])
    stream.close()
    return len(text) / (time.process_time() - begin)


def search_rate(secrets: int, text: bytes) -> float:
    """Bytes per second of CPU time that are searched for ten fixed texts per secret, and nothing else."""
    draw = random.Random(2)
    forms = [draw.randbytes(24).hex().encode() for _ in range(10 * secrets)]
    begin = time.process_time()
    for at in range(0, len(text), _PIECE):
        plain = text[at : at + _PIECE].translate(None, b"\r\n")
        if any(form in plain for form in forms):
            raise AssertionError("a random form was found")
    return len(text) / (time.process_time() - begin)


def run(report: Report, scale: Scale) -> None:
    """Each kind of text with each number of secrets."""
    for secrets, wanted in _WANTED.items():
        for name, text in texts(_BYTES if secrets < 200 else _BYTES // 8).items():
            pairs = [(rate(secrets, text), search_rate(secrets, text)) for _ in range(scale.rounds)]
            ours, peers = ([pair[side] for pair in pairs] for side in (0, 1))
            report.add(
                Row(
                    f"{name} without a secret, {secrets} known",
                    f"{statistics.median(ours) / 1e6:,.1f} MB/s",
                    f"{statistics.median(peers) / 1e6:,.1f} MB/s",
                    median_ratio(ours, peers),
                    least=wanted,
                    values={"bytes_per_second": ours},
                )
            )
