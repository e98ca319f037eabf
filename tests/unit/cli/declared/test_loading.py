"""Files of declared records: what is read from them, and what is refused with file and line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pytest

from jobqueue.cli.declared.loading import MAX_BYTES, load_document, load_documents
from jobqueue.errors import JobQueueError


def load(path: Path, text: str, name: str = "a.yaml") -> Any:
    file = path / name
    file.write_text(text)
    return load_document(str(file))


def test_only_the_types_of_json(tmp_path: Path) -> None:
    values = [
        *("no", "12:30", "010", "1_000", "2026-01-01", "yes", "1.10", "true"),
        *("-3", "null", "~", "1e3", "=", "'3'", "0x1f", "<<"),
    ]
    text = "".join(f"{key}: {value}\n" for key, value in zip("abcdefghijklmnop", values, strict=True))
    assert load(tmp_path, text) == {
        "a": "no",
        "b": "12:30",
        "c": "010",
        "d": "1_000",
        "e": "2026-01-01",
        "f": "yes",
        "g": 1.1,
        "h": True,
        "i": -3,
        "j": None,
        "k": None,
        "l": 1000.0,
        "m": "=",
        "n": "3",
        "o": "0x1f",
        "p": "<<",
    }


def test_several_documents(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("# first\na: 1\nb: 2\n---\n---\nc: 3\n")
    first, second = load_documents(str(file))
    assert (first.content, first.where("b"), first.where("x")) == ({"a": 1, "b": 2}, f"{file}:3", f"{file}:2")
    assert (second.content, second.location) == ({"c": 3}, f"{file}:6")
    with pytest.raises(click.ClickException, match="it holds 2 documents"):
        load_document(str(file))


def test_aliases_are_values(tmp_path: Path) -> None:
    assert load(tmp_path, "a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}


EXPLODING = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EXPLODING, "more than 50000 values"),
        ("a: &a [*a]\n", "contains itself"),
        ("a: 1\nb: 2\na: 3\n", r"a.yaml:3: the key a is given twice"),
        ("x:\n  a: 1\n  a: 3\n", r"a.yaml:3: the key a is given twice"),
        ("1: a\n", "a.yaml:1: the key 1 is not text"),
        ("? [a]\n: b\n", "the key a list is not text"),
        ("a: !!python/object/apply:os.system ['true']\n", "a.yaml:1: it is not valid YAML"),
        ("a: !x 1\n", "a.yaml:1: it is not valid YAML"),
        ("a: [1\nb: 2\n", r"a.yaml:2: it is not valid YAML"),
        ("a:\n\t- b\n", r"a.yaml:2: it is not valid YAML"),
        ("a: *nobody\n", r"a.yaml:1: it is not valid YAML"),
        ("- a\n", "a.yaml:1: it must be an object"),
        ("text", "it must be an object"),
        ("", "it holds 0 documents"),
        ("a: \x07\n", "it is not valid YAML"),
        ("a: " + "[" * 2000, "it is not valid YAML"),
        ("a: " + "[" * 100 + "]" * 100, "nested more than 50 levels"),
        ("a: " + "x" * MAX_BYTES, f"more than {MAX_BYTES} bytes"),
    ],
    ids=range(18),
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(click.ClickException, match=message):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "a.json: the key a is given twice"),
        ('{"a":\n1,}', "a.json:2: it is not valid JSON"),
        ("[1]", "must be an object"),
    ],
)
def test_json_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(click.ClickException, match=message):
        load(tmp_path, text, "a.json")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\xfe\xfd")
    for name in ("nothing.yaml", ".", "latin.yaml"):
        with pytest.raises(click.ClickException, match="it cannot be read"):
            load_document(str(tmp_path / name))


def test_without_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    monkeypatch.setattr("jobqueue.extras._is_installed", lambda module: module != "yaml")
    with pytest.raises(JobQueueError, match=r"pip install 'jobqueue\[apply\]'"):
        load(tmp_path, "a: 1")
    assert load(tmp_path, '{"a": 1}', "a.json") == {"a": 1}
