"""Secrets with backslashes, printed by programs that take these for escapes."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from jobqueue.trust.secrets.interpreted import interpreted
from jobqueue.trust.secrets.redactor import Redactor

SECRETS = [
    r"canary\file&9Zk",
    r"pass\bword\add\v1",
    r"top\nsecret\tvalue",
    r"oct\0101and\101x",
    r"back\\slash\fx",
    r"x\x41yz\escape\Ex",
]
PROGRAMS = {
    "echo of dash": ("dash", "-c", 'echo "$0"'),
    "echo -n of dash in base64": ("dash", "-c", 'echo -n "$0" | base64'),
    "echo -e of bash": ("bash", "-c", 'echo -e "$0"'),
    "echo -e of bash in base64": ("bash", "-c", 'echo -ne "$0" | base64'),
    "printf of dash": ("dash", "-c", 'printf "$0"'),
    "printf of bash": ("bash", "-c", 'printf "$0"'),
    "printf %b": ("dash", "-c", 'printf %b "$0"'),
    "awk -v": ("awk", "BEGIN {print s}", "-v"),
}


def printed(program: str, secret: str) -> bytes:
    name, *arguments = PROGRAMS[program]
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    argv = [name, "-v", f"s={secret}", arguments[0]] if name == "awk" else [name, *arguments, secret]
    return subprocess.run(argv, check=True, capture_output=True, timeout=20).stdout


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_what_the_program_prints_is_redacted(program: str, secret: str) -> None:
    output = b"first line\n" + printed(program, secret) + b"last line\n"
    clean = Redactor([secret]).raw(output)
    rest = clean.removeprefix(b"first line\n").removesuffix(b"last line\n")
    assert b"***" in rest
    assert len(rest) <= len(b"***Q==\n"), rest  # the last digit of base64 depends on what follows


@pytest.mark.parametrize("secret", ["no-backslash", r"other\qescapes\z", r"beyond\377text"])
def test_a_secret_that_no_program_changes(secret: str) -> None:
    assert list(interpreted(secret)) == []
