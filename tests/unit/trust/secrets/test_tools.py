"""What ordinary tools make of a secret is found.

Each form is printed by the tool itself where its name is that of a program; one that is built here is called after the
notation, or ``as by`` the program that would print it.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import quopri
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

from jobqueue.trust.secrets.redactor import Redactor, StreamRedactor
from tests.examples import examples

PASSWORD = "cAn4ry\"of/the\\tests+&=é <x> 'q' $HOME%41"
SIMPLE = "s3cretCanary-0123_xyz"
_BODY = base64.b64encode(random.Random(7).randbytes(144)).decode()
KEY = "\n".join(["-----BEGIN KEY-----", *(_BODY[at : at + 48] for at in range(0, len(_BODY), 48)), "-----END KEY-----"])
SECRETS = {"password": PASSWORD, "simple": SIMPLE, "key": KEY}


def run(*argv: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> bytes:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    return subprocess.run(argv, input=stdin, env=env, check=True, capture_output=True, timeout=20).stdout


def bash(script: str, secret: str) -> bytes:
    return run("bash", "-c", script, env={"S": secret, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})


def part(secret: str) -> str:
    """A piece from the middle that no tool has a reason to escape."""
    return max(re.findall(r"[A-Za-z0-9]+", secret.splitlines()[len(secret.splitlines()) // 2]), key=len)[:8]


def nested(secret: str, levels: int) -> bytes:
    text = secret
    for _ in range(levels):
        text = json.dumps({"v": text})
    return text.encode()


def powershell(secret: str) -> bytes:
    command = f"Connect-Server -Password '{secret}'".encode("utf-16-le")
    return b"powershell -EncodedCommand " + base64.b64encode(command)


def doubled(secret: str) -> bytes:
    table = io.StringIO()
    csv.writer(table).writerow(["user", secret, "more"])
    return table.getvalue().encode()


def rows_of(secret: str) -> list[tuple[int, bytes]]:
    raw = b"pw=" + secret.encode()
    return [(at, raw[at : at + 16]) for at in range(0, len(raw), 16)]


def as_text(row: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)


#: Each gives the output of a tool for a secret.
TOOLS: dict[str, Callable[[str], bytes]] = {
    "grep colours": lambda s: run("grep", "--color=always", "-e", part(s), stdin=s.encode()),
    "grep letters": lambda s: run("grep", "--color=always", "-e", "[a-e]", "-e", "$", stdin=s.encode()),
    "fold": lambda s: run("fold", "-w", "7", stdin=s.encode()),
    "fold indented": lambda s: bash("printf %s \"$S\" | fold -w 9 | sed 's/^/      /'", s),
    "fold in a diff": lambda s: bash('diff -u /dev/null <(printf "%s\\n" "$S" | fold -w 9); true', s),
    "base64 folded in a diff": lambda s: bash('diff /dev/null <(printf "a%s" "$S" | base64 -w 10); true', s),
    "base64": lambda s: run("base64", stdin=s.encode()),
    "base64 folded": lambda s: run("base64", "-w", "10", stdin=b"x" + s.encode()),
    "base64 indented": lambda s: bash("printf 'a%s' \"$S\" | base64 -w 12 | sed 's/^/\t/'", s),
    "printf %q": lambda s: bash('printf %q "$S"', s),
    "declare -p": lambda s: bash("declare -p S", s),
    "export -p": lambda s: bash("export -p | tr '\\n' ' '", s),
    "set": lambda s: bash("set | grep -A9 '^S='", s),
    "xtrace": lambda s: bash('exec 2>&1; set -x; : "$S"', s),
    "${S@Q}": lambda s: bash('echo "${S@Q}"', s),
    "octal of bash": lambda s: bash('LC_ALL=C; printf %q "$S"', s),
    "tr to upper case": lambda s: run("tr", "a-z", "A-Z", stdin=s.encode()),
    "iconv UTF-16": lambda s: run("iconv", "-f", "UTF-8", "-t", "UTF-16", stdin=s.encode()),
    "iconv UTF-16BE": lambda s: run("iconv", "-f", "UTF-8", "-t", "UTF-16BE", stdin=s.encode()),
    "iconv UTF-32": lambda s: run("iconv", "-f", "UTF-8", "-t", "UTF-32LE", stdin=("x" + s).encode()),
    "as by powershell -EncodedCommand": powershell,
    "base64 of Python, of UTF-16BE": lambda s: base64.b64encode(b"abc" + s.encode("utf-16-be") + b"z"),
    "JSON": lambda s: nested(s, 1),
    "JSON twice": lambda s: nested(s, 2),
    "JSON three times": lambda s: nested(s, 3),
    "JSON five times": lambda s: nested(s, 5),
    "JSON as by PHP": lambda s: json.dumps(s).replace("/", "\\/").encode(),
    "JSON as by Go": lambda s: (
        json.dumps(s, ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .encode()
    ),
    "JSON all escaped": lambda s: "".join(f"\\u{ord(char):04X}" for char in s).encode(),
    "jq": lambda s: run("jq", "-R", "-s", ".", stdin=s.encode()),
    "jq -a": lambda s: run("jq", "-a", "-R", "-s", "tojson|tojson", stdin=s.encode()),
    "jq colours": lambda s: run("jq", "-C", "-R", "-s", "{a: .}", stdin=s.encode()),
    "jq @uri": lambda s: run("jq", "-R", "-s", "-r", "@uri", stdin=s.encode()),
    "jq @sh": lambda s: run("jq", "-R", "-s", "-r", "@sh", stdin=s.encode()),
    "jq @html": lambda s: run("jq", "-R", "-s", "-r", "@html", stdin=s.encode()),
    "HTML": lambda s: html.escape(s).encode(),
    "HTML in JSON": lambda s: json.dumps(html.escape(s)).replace("&", "\\u0026").encode(),
    "HTML twice": lambda s: html.escape(html.escape(s)).encode(),
    "entities": lambda s: "".join(f"&#{ord(char)};" for char in s).encode(),
    "hexadecimal entities": lambda s: "".join(f"&#x{ord(char):X};" for char in s).encode(),
    "XML": lambda s: escape(s, {'"': "&quot;", "'": "&apos;"}).encode(),
    "XML of ASCII": lambda s: escape(s).encode("ascii", "xmlcharrefreplace"),
    "URL": lambda s: quote(s, safe="").encode(),
    "URL in lower case": lambda s: quote(s, safe="").lower().encode(),
    "URL twice": lambda s: quote(quote(s, safe=""), safe="").encode(),
    "URL three times": lambda s: quote(quote(quote(s, safe=""), safe=""), safe="").encode(),
    "URL of all": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()).encode(),
    "base64 in URL": lambda s: quote(base64.b64encode(b"user:" + s.encode()).decode(), safe="").encode(),
    "quoted-printable": lambda s: quopri.encodestring(s.encode()),
    "quoted-printable of tabs": lambda s: quopri.encodestring(s.encode(), quotetabs=True),
    "Python text": lambda s: repr(s).encode(),
    "Python bytes": lambda s: repr(s.encode()).encode(),
    "Python bytes in a list in JSON": lambda s: json.dumps(repr([s.encode()])).encode(),
    "Python ASCII": lambda s: ascii(s).encode(),
    "CSV": doubled,
    "xxd": lambda s: run("xxd", stdin=b"password=" + s.encode() + b"\n"),
    "xxd -g1": lambda s: run("xxd", "-g1", stdin=s.encode()),
    "xxd -u": lambda s: run("xxd", "-u", stdin=s.encode()),
    "xxd -p": lambda s: run("xxd", "-p", stdin=s.encode()),
    "xxd -i": lambda s: run("xxd", "-i", stdin=s.encode()),
    "xxd of UTF-16": lambda s: run("xxd", stdin=s.encode("utf-16")),
    "hexdump": lambda s: run("hexdump", stdin=s.encode()),
    "hexdump -C": lambda s: run("hexdump", "-C", stdin=b"1234" + s.encode()),
    "od": lambda s: run("od", "-A", "x", "-t", "x1z", stdin=s.encode()),
    "od -t x1": lambda s: run("od", "-t", "x1", stdin=b"12" + s.encode()),
    "od -An": lambda s: run("od", "-An", "-v", "-t", "x1", stdin=s.encode()),
    "od -c": lambda s: run("od", "-c", stdin=b"pw=" + s.encode() + b"\n"),
    "od -b": lambda s: run("od", "-b", stdin=s.encode()),
    "od -x": lambda s: run("od", "-x", stdin=s.encode()),
    "openssl -dump": lambda s: run(
        "openssl",
        "asn1parse",
        "-inform",
        "DER",
        "-dump",
        stdin=b"\x04\x82" + len(s.encode()).to_bytes(2, "big") + s.encode(),
    ),
    "as by curl --trace": lambda s: "".join(
        f"{at:04x}: {row.hex(' '):47} {as_text(row)}\n" for at, row in rows_of(s)
    ).encode(),
    "as by openssl s_client -msg": lambda s: "".join(
        f"{at:04x} - {row.hex(' ')[:23]}-{row.hex(' ')[24:]:23}   {as_text(row)}\n" for at, row in rows_of(s)
    ).encode(),
    "as by tcpdump -X": lambda s: "".join(
        f"\t0x{at:04x}:  {row.hex(' ', -2):39}  {as_text(row)}\n" for at, row in rows_of(s)
    ).encode(),
    "hexadecimal with colons": lambda s: s.encode().hex(":").encode(),
    "hexadecimal with colons in upper case": lambda s: s.encode().hex(":").upper().encode(),
    "hexadecimal with blanks": lambda s: s.encode().hex(" ", 2).encode(),
    "cat -E": lambda s: run("cat", "-E", stdin=s.encode()),
    "openssl": lambda s: run("openssl", "base64", "-e", stdin=s.encode()),
}


def _extend(written: bytearray, _stream: str, chunk: bytes) -> None:
    written.extend(chunk)


def letters(secret: str) -> set[str]:
    """Runs of the secret that are long enough to be distinguished from other text."""
    return {secret[at : at + 8].lower() for at in range(len(secret) - 7) if "-" not in secret[at : at + 8]}


def readable(output: bytes) -> str:
    """What a person reads of an output: without what a terminal hides, without what sets parts apart."""
    return re.sub(rb"\x1b\[[0-9;]*[mK]", b"", output).translate(None, b"\0\n\r").decode("utf-8", "replace").lower()


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_tool(kind: str, name: str) -> None:
    secret = SECRETS[kind]
    output = TOOLS[name](secret)
    clean = Redactor([secret]).raw(b"first line\n" + output + b"\nlast line\n")
    assert b"***" in clean
    assert clean.startswith(b"first line\n")
    assert clean.endswith(b"\nlast line\n")
    rest = len(clean) - len(b"first line\n\nlast line\n")
    # of the output no more is left than a tool adds to what it is given
    assert {run for run in letters(secret) if run in readable(clean)} == set()
    assert rest < len(output)


@pytest.mark.parametrize("name", TOOLS)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_tool_whose_output_comes_in_pieces(kind: str, name: str) -> None:
    secret = SECRETS[kind]
    output = b"first line\n" + TOOLS[name](secret) + b"\nlast line\n"
    redactor = Redactor([secret])
    whole = redactor.raw(output)
    for seed in range(examples(3)):
        draw, at, written = random.Random(seed), 0, bytearray()
        screen = StreamRedactor(redactor, partial(_extend, written))
        while at < len(output):
            size = draw.choice([1, 2, 5, 16, 17, 64] if seed else [1])
            screen.write("stdout", output[at : at + size])
            at += size
        screen.close()
        # at the most the first three letters of a form are out before it can be known, whichever way they are written
        assert not {piece for piece in letters(secret) if piece in readable(bytes(written))}
        assert len(written) <= len(whole) + 60
        assert written.startswith(b"first line\n")
        assert written.endswith(b"\nlast line\n")
