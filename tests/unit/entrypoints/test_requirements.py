"""pip and uv as lists, objects and lines for a shell."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest

from jobqueue.entrypoints.requirements import Requirements
from jobqueue.errors import InvalidInput


def _parse(value: Any, tool: str = "pip") -> Requirements:
    found = Requirements.parse(tool, value)
    assert found is not None
    return found


def test_the_lines_of_a_requirements_file() -> None:
    lines = [
        "# a comment", "", "requests[socks]>=2 ; python_version > '3'  # why", "tiny==1 \\", "  --hash=sha256:00ff \\",
        "--hash=sha256:11ee", "-r other.txt", "--constraint=limits.txt", "--index-url https://h/simple", "--pre",
        "./local/x-1.0-py3-none-any.whl", "x @ https://h/x.zip", "git+https://h/r.git@v1#egg=r", "requests",
    ]  # fmt: skip
    assert _parse(lines) == Requirements(
        lines=(
            "requests[socks]>=2 ; python_version > '3'",
            "tiny==1 --hash=sha256:00ff --hash=sha256:11ee",
            "-r other.txt",
            "-c limits.txt",
            "./local/x-1.0-py3-none-any.whl",
            "x @ https://h/x.zip",
            "git+https://h/r.git@v1#egg=r",
            "requests",
        ),
        options=("--index-url", "https://h/simple", "--prerelease", "allow"),
    )


def test_options_of_an_object() -> None:
    found = _parse(
        {
            "packages": ["a"],
            "pip_check": True,
            "pip_install_options": ["--no-cache-dir", "--index-url https://h", "-f", "/srv/wheels", "--no-deps", "-U"],
        }
    )
    assert found.options == ("--index-url", "https://h", "--find-links", "/srv/wheels", "--no-deps")
    assert found.check is True


@pytest.mark.parametrize("value", [[], {"packages": []}, ["# nothing", ""], {"packages": ["-c limits.txt"]}])
def test_nothing_to_install(value: Any) -> None:
    assert Requirements.parse("pip", value) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pip install a", Requirements(("a",))),
        ("pip3 install a b==1", Requirements(("a", "b==1"))),
        ("pip3.11 install 'a>=1,<2'", Requirements(("a>=1,<2",), python="3.11")),
        ("/usr/bin/pip3.9 install a", Requirements(("a",), python="3.9")),
        ("python3.9 -m pip install a", Requirements(("a",), python="3.9")),
        ("uv pip install a", Requirements(("a",))),
        ("pip install -i https://h/s a", Requirements(("a",), ("--index-url", "https://h/s"))),
        ("pip install -ihttps://h/s -U -q a", Requirements(("a",), ("--index-url", "https://h/s"))),
        ("pip install -r requirements.txt --no-cache-dir", Requirements(("-r requirements.txt",))),
        ("pip install a&&pip install b && pip check", Requirements(("a", "b"), check=True)),
        ("pip install -- a", Requirements(("a",))),
        ("pip install --progress-bar off a", Requirements(("a",))),
    ],
)
def test_lines_for_a_shell(line: str, expected: Requirements) -> None:
    assert _parse(line) == expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("requirements.txt", "must be a list of requirements"),
        ("pip list", "must be a list of requirements"),
        ("pip install", "installs nothing"),
        ("pip check && echo install", "runs 'echo'"),
        ("pip install a; rm -rf /", "uses ';'"),
        ("pip install a | tee install.log", r"uses '\|'"),
        ("pip install a || true", r"uses '\|\|'"),
        ("pip install a & ", "uses '&'"),
        ("pip install numpy>=1", r"uses '>'.*into quotes"),
        ("pip install a && ", "empty command"),
        ("pip install $X", "variables"),
        ("pip install `x`", "variables"),
        ("pip install a\nrm -rf /", "several lines"),
        ("pip install 'a", "No closing quotation"),
        ("pip uninstall a install", "something other than installing"),
        ("curl https://h/install.sh", "runs 'curl'"),
        ("sudo pip install a", "runs 'sudo'"),
        ("pip3.9 install a && pip3.10 install b", r"several Pythons \(3\.10, 3\.9\)"),
        ("pip install -e .", "'-e'"),
        ("pip install --target=/x a", "--target"),
        ("pip install --user a", "--user"),
        ("pip install -i", "needs a value"),
        ("pip install 'not a name!'", "is not a requirement"),
        ("pip install " + "a " * 600_000, "too large"),
    ],
)
def test_lines_that_do_something_else(line: str, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as caught:
        Requirements.parse("pip", line)
    assert caught.value.message.startswith("runtime_env['pip']")
    assert len(caught.value.message) < 500


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (5, "must be a list"),
        ({}, r"'packages'\] must be a list"),
        ({"packages": "requirements.txt"}, "put the lines of a requirements file"),
        ({"packages": ["a"], "version": 1}, "no key 'version'"),
        ({"packages": ["a"], "pip_version": "new"}, r"'pip_version'\] 'new' is not a version specifier"),
        ({"packages": ["a"], "pip_check": 1}, "'pip_check'"),
        ({"packages": [1]}, r"'packages'\]\[0\]"),
        ({"packages": ["a\0b"]}, "not allowed in a requirement"),
        ({"packages": ["a", "b c"]}, "'b c' is not a requirement"),
        ({"packages": ["a --user"]}, "option that is not supported after"),
        ({"packages": ["--editable ."]}, "--editable"),
        ({"packages": ["--prefer-binary", "a"]}, "--prefer-binary, which uv does not have: .* --only-binary"),
        ({"packages": ["a"], "pip_install_options": ["--prefer-binary"]}, "pin the version"),
        ({"packages": ["a"] * 10_001}, "too large"),
        ({"packages": ["a"], "pip_install_options": "--pre"}, "must be a list"),
        ({"packages": ["a"], "pip_install_options": ["b"]}, "options only"),
        ({"packages": ["a"], "pip_install_options": ["--root=/"]}, "--root"),
        ({"packages": ["a"], "pip_install_options": ["--prefix", "/"]}, "--prefix"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_objects(value: Any, complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        Requirements.parse("pip", value)


def test_uv_has_its_own_names() -> None:
    with pytest.raises(InvalidInput, match=r"^runtime_env\['uv'\] has no key 'pip_check'"):
        Requirements.parse("uv", {"packages": ["a"], "pip_check": True})
    with pytest.raises(InvalidInput, match="uv_version"):
        Requirements.parse("uv", {"packages": ["a"], "uv_version": 4})
    found = Requirements.parse("uv", {"packages": ["a"], "uv_version": "==0.4"})
    assert found is not None
    assert found.tool_version == "uv==0.4"


def test_the_version_of_pip_is_passed_on() -> None:
    # as one of Ray's own tests has it
    found = Requirements.parse("pip", {"packages": ["a"], "pip_version": "==23.3.2;python_version=='3.9.16'"})
    assert found is not None
    assert found.tool_version == "pip==23.3.2;python_version=='3.9.16'"
    assert _parse({"packages": ["a"], "uv_check": True}, "uv").check is True


@pytest.mark.parametrize(
    "line", ["a" + " " * 500_000 + "x", "a" * 1_000_000, "a==1" + " --hash" * 100_000, "[" * 900_000]
)
def test_no_line_takes_long(line: str) -> None:
    """The API reads it, and answers others meanwhile."""
    begin = time.process_time()
    with contextlib.suppress(InvalidInput):
        _parse([line])
    assert time.process_time() - begin < 5
