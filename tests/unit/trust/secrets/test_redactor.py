"""A secret is found in every form, in every place, however it comes in pieces; other text stays as it is."""

from __future__ import annotations

import base64
import json
import random
import shlex
import time
from urllib.parse import quote, quote_plus

import pytest

from jobqueue.operations.process.capture import Capture
from jobqueue.trust.secrets.forms import Forms, bare
from jobqueue.trust.secrets.redactor import Redactor, StreamRedactor

CANARY = 'cAn4ry"of/the\\tests+&=é'
KEY = "-----BEGIN KEY-----\n" + "\n".join(f"line{n}-" + "abcdefgh" * 6 for n in range(4)) + "\n-----END KEY-----\n"


def encoded(secret: str) -> dict[str, str]:
    raw = secret.encode()
    found = {
        "plain": secret,
        "json": json.dumps(secret)[1:-1],
        "json in json": json.dumps(json.dumps({"a": secret})),
        "json, not ascii": json.dumps(secret, ensure_ascii=False),
        "shell": shlex.quote(secret),
        "repr": repr(secret),
        "url": quote(secret, safe=""),
        "path of url": quote(secret),
        "form": quote_plus(secret),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "basic": base64.b64encode(b"user:" + raw).decode(),
    }
    for before in range(4):
        for after in range(3):
            text = base64.b64encode(b"x" * before + raw + b"y" * after)
            found[f"base64 {before} {after}"] = text.decode()
            found[f"base64 of urls {before} {after}"] = text.translate(bytes.maketrans(b"+/", b"-_")).decode()
    return found


def remains(secret: str, text: str) -> list[str]:
    """The forms of ``secret`` of which ``text`` holds more than a few characters in a row."""
    cores = {name: form.strip("'\"=") for name, form in encoded(secret).items()}
    return [name for name, form in cores.items() if any(form[at : at + 8] in text for at in range(4, len(form) - 11))]


@pytest.mark.parametrize("name", encoded(CANARY))
@pytest.mark.parametrize("secret", [CANARY, "just-letters-09"])
def test_every_form(secret: str, name: str) -> None:
    text = f"before {encoded(secret)[name]} after"
    clean = Redactor([secret]).text(text)
    assert remains(secret, clean) == []
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert "***" in clean
    assert len(clean) <= len(text)


@pytest.mark.parametrize("width", [1, 3, 7, 20, 76])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", encoded(CANARY))
def test_broken_into_lines(name: str, width: int, end: str) -> None:
    form = encoded(CANARY)[name]
    text = end.join(form[at : at + width] for at in range(0, len(form), width))
    clean = Redactor([CANARY]).text(f"a{end}{text}{end}b")
    assert remains(CANARY, clean.replace(end, "")) == []


@pytest.mark.parametrize("seed", range(40))
def test_in_pieces(seed: int) -> None:
    """Whatever is cut where, running output gives the same as the whole text at once."""
    draw = random.Random(seed)
    words = ["ok", "cAn4ry", "cAn", "\n", "c", "ok\n", CANARY[:-1], *draw.sample(list(encoded(CANARY).values()), 4)]
    words.append(CANARY)
    whole = "".join(draw.choices(words, k=30)).encode()
    redactor, written = Redactor([CANARY]), bytearray()
    screen = StreamRedactor(redactor, lambda _, chunk: written.extend(chunk))
    at = 0
    while at < len(whole):
        size = draw.choice([1, 2, 3, 10, 100])
        screen.write("stdout", whole[at : at + size])
        at += size
    screen.close()
    plain = bare(bytes(written))
    assert [form for form in Forms.of(CANARY).bare if form in plain] == []
    # what is no secret comes through, in order
    assert written.count(b"ok") == whole.count(b"ok")


def test_streams_are_apart() -> None:
    written: list[tuple[str, bytes]] = []
    screen = StreamRedactor(Redactor([CANARY]), lambda stream, chunk: written.append((stream, chunk)))
    screen.write("stdout", CANARY[:8].encode())
    screen.write("stderr", b"an error\n")
    screen.write("stdout", CANARY[8:].encode() + b"!")
    screen.write("stdout", CANARY[:4].encode())
    assert written == [("stderr", b"an error\n"), ("stdout", b"***!")]
    screen.close()
    assert written[2:] == [("stdout", CANARY[:4].encode())]  # it was no secret after all


def test_other_output_is_not_held_back() -> None:
    written: list[bytes] = []
    screen = StreamRedactor(Redactor([CANARY]), lambda _, chunk: written.append(chunk))
    for chunk in (b"Password: ", b"50%\r", b"100%\n", b"\xff\x00\xfe", b"\n" * 10_000):
        screen.write("stdout", chunk)
    assert b"".join(written) == b"Password: 50%\r100%\n\xff\x00\xfe" + b"\n" * 10_000


@pytest.mark.parametrize("letters", [1, 2, 3])
def test_a_line_is_not_cut_for_its_last_letters(letters: int) -> None:
    """A follower sees all of it at once; and nothing but those letters, if the secret does follow."""
    written = bytearray()
    screen = StreamRedactor(Redactor([CANARY]), lambda _, chunk: written.extend(chunk))
    line = f"process {CANARY[:letters]}\n".encode()
    screen.write("stdout", line)
    assert written == line
    screen.write("stdout", CANARY[letters : letters + 1].encode())
    screen.write("stdout", CANARY[letters + 1 :].encode() + b"!")
    assert written.startswith(line)
    assert bytes(written[len(line) :]) in (b"***!", CANARY[letters : letters + 1].encode() + b"***!")


def test_letter_by_letter() -> None:
    written = bytearray()
    screen = StreamRedactor(Redactor([CANARY]), lambda _, chunk: written.extend(chunk))
    for byte in f"a {CANARY} b".encode():
        screen.write("stdout", bytes([byte]))
    screen.close()
    assert written == f"a {CANARY[:3]}*** b".encode()


def test_empty_lines_do_not_pile_up() -> None:
    written: list[bytes] = []
    screen = StreamRedactor(Redactor([CANARY]), lambda _, chunk: written.append(chunk))
    screen.write("stdout", CANARY[:5].encode())
    for _ in range(100):
        screen.write("stdout", b"\n" * 1000)
    assert sum(map(len, written)) > 90_000


def test_a_key_of_many_lines() -> None:
    redactor = Redactor([KEY])
    for text in (
        KEY,
        KEY.replace("\n", "\r\n"),
        json.dumps({"key": KEY}),
        "\n".join(f"  {number} | {line}" for number, line in enumerate(KEY.splitlines())),
        base64.b64encode(KEY.encode()).decode(),
        base64.encodebytes(KEY.encode()).decode(),
    ):
        assert "line2-abc" not in redactor.text(text)
        assert base64.b64encode(KEY.encode()).decode()[20:60] not in redactor.text(text).replace("\n", "")


@pytest.mark.parametrize("limit", range(40, 90))
def test_what_a_cut_has_left(limit: int) -> None:
    capture = Capture(limit)
    capture.write(b"x" * 20 + CANARY.encode() + b"y" * 500 + CANARY.encode() + b"z" * 20)
    clean = Redactor([CANARY]).text(capture.text())
    parts = [CANARY[at : at + 4] for at in range(len(CANARY) - 3)]
    assert [part for part in parts if part in clean] == []


def test_a_message_that_was_cut() -> None:
    clean = Redactor([CANARY]).text("x" * 50 + CANARY[:9] + "...")
    assert clean == "x" * 50 + "***..."


def test_json() -> None:
    redactor = Redactor([CANARY, "1234567890"])
    value = {"a": [CANARY, {"b": f"x{CANARY}"}], CANARY: 1, "n": 1234567890, "f": 1.5, "t": True, "none": None}
    clean = {"a": ["***", {"b": "x***"}], "***": 1, "n": "***", "f": 1.5, "t": True, "none": None}
    assert redactor.json(value) == clean


def test_without_secrets_nothing_changes() -> None:
    value = {"a": ("b", "\ud800")}
    assert Redactor().json(value) is value
    assert Redactor([CANARY]).text("\ud800 ok") == "\ud800 ok"


def test_texts_in_json_are_apart() -> None:
    """What lies in two texts is no secret, and a text that was cut is looked at by itself."""
    redactor = Redactor([CANARY])
    apart = [CANARY[:9], CANARY[9:], {CANARY[:9]: CANARY[9:]}]
    assert redactor.json(apart) == apart
    assert redactor.json({"a": [f"x{CANARY[:9]}...", "b"]}) == {"a": ["x***...", "b"]}
    assert redactor.json([f"{CANARY[:6]}\n{CANARY[6:]}"]) == ["***"]


def test_a_large_result_takes_little_time() -> None:
    """Some milliseconds for many thousand texts; the limit only shows that it is not looked into each by itself."""
    value = [{"name": f"process {number}", "number": number} for number in range(20_000)]
    begin = time.process_time()
    assert Redactor([CANARY, KEY]).json(value) is value
    assert time.process_time() - begin < 1.0
