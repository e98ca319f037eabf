"""What an environment is made of, and what makes it another one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobqueue.entrypoints.recipe import Recipe
from jobqueue.entrypoints.requirements import Requirements
from jobqueue.errors import OperationFailed
from tests.unit.entrypoints.archives import make_wheel

WORKING_DIR = "${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}"


def _recipe(*lines: str, folder: Path | None = None, options: tuple[str, ...] = (), **more: str) -> Recipe:
    return Recipe.of(Requirements(lines, options), folder, more)


def test_the_same_requirements_give_the_same_key() -> None:
    assert _recipe("a", "b==1").key == _recipe("a", "b==1").key
    assert _recipe("a").python == sys.executable


def test_everything_that_matters_changes_the_key() -> None:
    keys = [
        _recipe("a").key,
        _recipe("b").key,
        _recipe("a", options=("--pre",)).key,
        _recipe("a", UV_INDEX_URL="https://h").key,
        Recipe.of(Requirements(("a",), check=True), None, {}).key,
    ]
    assert len(set(keys)) == len(keys)


def test_a_wheel_counts_by_content_not_by_place(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    for folder in (one, two):
        folder.mkdir()
        make_wheel(folder)
    name = "tiny-1.0-py3-none-any.whl"
    first = _recipe(f"./{name}", folder=one)
    assert first.lines == (str(one / name),)
    assert first.key == _recipe(f"{WORKING_DIR}/{name}", folder=two).key == _recipe(name, folder=two).key
    assert first.key == _recipe((two / name).as_uri()).key
    make_wheel(two, code="X = 6\n")
    assert first.key != _recipe(f"./{name}", folder=two).key


def test_a_named_wheel_with_extras_and_a_marker(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    marker = "; python_version > '3'"
    assert _recipe(f"tiny @ {wheel.as_uri()} {marker}").lines == (f"tiny @ {wheel.as_uri()} {marker}",)
    assert _recipe(f"{wheel}[extra] {marker}").lines == (f"{wheel}[extra] {marker}",)


def test_files_that_include_files(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    wheel = make_wheel(inner)
    (tmp_path / "requirements.txt").write_text("a\n-r inner/more.txt\n-c limits.txt\n--extra-index-url https://h\n")
    (inner / "more.txt").write_text(f"b # why\n./{wheel.name}\n")
    (tmp_path / "limits.txt").write_text("b<3\n")
    recipe = _recipe("-r requirements.txt", "c", folder=tmp_path)
    assert recipe.lines == ("a", "b", str(wheel), "c")
    assert recipe.constraints == ("b<3",)
    assert recipe.options == ("--extra-index-url", "https://h")
    (tmp_path / "limits.txt").write_text("b<4\n")
    assert _recipe("-r requirements.txt", "c", folder=tmp_path).key != recipe.key


def test_a_folder_of_wheels(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels)
    options = ("--find-links", f"{WORKING_DIR}/wheels")
    recipe = _recipe("tiny", folder=tmp_path, options=options)
    assert recipe.options == ("--find-links", str(wheels))
    make_wheel(wheels, version="2.0")
    assert _recipe("tiny", folder=tmp_path, options=options).key != recipe.key
    outside = _recipe("tiny", options=("--find-links", str(wheels)))
    make_wheel(wheels, version="3.0")
    assert _recipe("tiny", options=("--find-links", str(wheels))).key != outside.key


def test_addresses_stay_as_they_are() -> None:
    lines = ("git+https://h/r.git@v1", "https://h/x-1.0-py3-none-any.whl", "x @ https://h/x.zip")
    assert _recipe(*lines).lines == lines


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("./missing.whl", "no working directory"),
        ("/nowhere/missing.whl", "is not on this host"),
        ("-r missing.txt", "no working directory"),
        ("-r /nowhere/missing.txt", "is not on this host"),
        (f"{WORKING_DIR}/x.whl", "the job has none"),
        ("/tmp", "is not a wheel"),
        ("file:///tmp", "is not a wheel"),
    ],
)
def test_what_is_not_there(line: str, complaint: str) -> None:
    with pytest.raises(OperationFailed, match=complaint) as caught:
        _recipe(line)
    assert (caught.value.details or {})["error_type"] == "setup_failed"


def test_files_that_cannot_be_understood(tmp_path: Path) -> None:
    (tmp_path / "loop.txt").write_text("-r loop.txt\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "bad.txt").write_text("a\n--editable .\n")
    (tmp_path / "huge.txt").write_text("a\n" * 600_000)
    for name, complaint in [("loop", "10 deep"), ("binary", "cannot be read"), ("bad", "editable"), ("huge", "large")]:
        with pytest.raises(OperationFailed, match=complaint):
            _recipe(f"-r {name}.txt", folder=tmp_path)


def _program(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)


def test_a_python_that_the_host_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path / "real"
    real.touch()
    _program(tmp_path / "python9.9", f"echo 9.9 {real}")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = Recipe.of(Requirements(("a",), python="9.9"), None, {})
    assert found.python == str(real)
    assert found.key != _recipe("a").key


@pytest.mark.parametrize("lines", [("exit 127",), ("echo 9.8 /bin/sh",), ("echo 9.9 /nowhere",), ("printf '\\377'",)])
def test_a_python_that_does_not_work_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...]
) -> None:
    """Version managers put programs on PATH for versions that are not installed or not chosen."""
    _program(tmp_path / "python9.9", *lines)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Recipe.of(Requirements(("a",), python="9.9"), None, {}).python == sys.executable


def test_a_python_that_the_host_lacks() -> None:
    assert Recipe.of(Requirements(("a",), python="9.8"), None, {}).python == sys.executable
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert Recipe.of(Requirements(("a",), python=own), None, {}).python == sys.executable
