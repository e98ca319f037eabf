"""script.python.execute and script.shell.execute."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationCancelled, OperationFailed, OperationTimedOut
from tests.unit.operations.conftest import Perform

PYTHON, SHELL = "script.python.execute", "script.shell.execute"

Printed = Callable[..., str]


@pytest.fixture
def printed(perform: Perform) -> Printed:
    """What a script prints, all streams together."""

    def run(type: str, script: str, *, verbose: bool = False, **data: Any) -> str:
        chunks: list[bytes] = []
        sent = {"script": script, "verbose": verbose, **data}
        outcome = perform(type, sent, output=lambda _, chunk: chunks.append(chunk))
        assert outcome.data.pop("duration_ms") >= 0
        live = b"".join(chunks).decode()
        assert outcome.data.pop("stdout") == (live.partition("environment\n")[2] if verbose else live)
        assert outcome.data == {"stderr": "", "exit_code": 0, "changed": True, "truncated": False}
        assert (outcome.changed, outcome.error) == (True, None)
        return live

    return run


def test_python_code(printed: Printed) -> None:
    script = "import os, sys\nprint(sys.argv[1:], os.environ['COLOUR'], os.listdir('.'), 'é')"
    assert printed(PYTHON, script, args=["a b", "-c"], env={"COLOUR": "blue"}) == "['a b', '-c'] blue [] é\n"


def test_shell_code(printed: Printed) -> None:
    assert printed(SHELL, "echo $((1 + 1)) $1 $COLOUR; ls -A", args=["a b"], env={"COLOUR": "blue"}) == "2 a b blue\n"


def test_a_line_that_begins_with_a_path_is_code(printed: Printed) -> None:
    assert printed(SHELL, "/bin/echo hello") == "hello\n"


def test_the_first_line_names_the_interpreter(printed: Printed) -> None:
    assert printed(SHELL, "#!/usr/bin/env python3\nprint(6 * 7)\n") == "42\n"
    assert printed(SHELL, "#!/bin/sh -e\necho $-\n").startswith("e")


def test_a_file_of_the_host(printed: Printed, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORD = 'found'")
    path = tmp_path / "it is.py"
    path.write_text("import beside, os; print(beside.WORD, os.listdir('.'))")
    assert printed(PYTHON, f"{path}\n") == "found []\n"
    shell = tmp_path / "it is.sh"
    shell.write_text("echo from $0")
    assert printed(SHELL, str(shell)) == f"from {shell}\n"
    assert printed(SHELL, "/bin/true") == ""


@pytest.mark.parametrize(("type", "name"), [(PYTHON, "/no/such thing.py"), (SHELL, "/no/such.sh")])
def test_a_file_that_is_not_there(perform: Perform, type: str, name: str) -> None:
    with pytest.raises(OperationFailed, match=f"The script '{name}' does not exist on web1"):
        perform(type, {"script": name})


@pytest.mark.parametrize("type", [PYTHON, SHELL])
def test_a_directory_is_no_script(perform: Perform, type: str) -> None:
    with pytest.raises(OperationFailed, match=r"The script '/usr/lib' on web1 is a directory; name a file in it\."):
        perform(type, {"script": "/usr/lib"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(perform: Perform, tmp_path: Path) -> None:
    path = tmp_path / "secret.py"
    path.write_text("")
    path.chmod(0)
    with pytest.raises(OperationFailed, match="is not readable"):
        perform(PYTHON, {"script": str(path)})


def test_python_files(printed: Printed, perform: Perform, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("A = 1")
    (tmp_path / "other.py").write_text("raise SystemError('came along')")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "two.py").write_text("B = 2")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("three.py", "C = 3")
    files = [str(tmp_path / name) for name in ("one.py", "folder", "packed.zip")]
    script = (
        "import one, two, three\nprint(one.A, two.B, three.C)\ntry:\n import other\nexcept ImportError: print('no')"
    )
    assert printed(PYTHON, script, python_files=files) == "1 2 3\nno\n"
    assert printed(PYTHON, script, python_files=files, env={"PYTHONPATH": "/nowhere"}) == "1 2 3\nno\n"
    for wrong, says in (("relative.py", "absolute"), (str(tmp_path / "none.py"), "does not exist")):
        with pytest.raises(OperationFailed, match=says):
            perform(PYTHON, {"script": "1", "python_files": [wrong]})


def test_verbose(printed: Printed) -> None:
    said = printed(SHELL, "echo hi", env={"SECRET": "x", "B": ""}, args=["a b"], verbose=True)
    assert said.startswith("+ /bin/sh ")
    assert "'a b'" in said
    assert "B SECRET added" in said
    assert said.endswith("hi\n")


def test_failure_says_how_and_keeps_the_output(perform: Perform) -> None:
    failed = perform(PYTHON, {"script": "print('so far')\n1 / 0"})
    assert failed.error == "The script exited with code 1: ZeroDivisionError: division by zero"
    assert (failed.data["exit_code"], failed.data["stdout"]) == (1, "so far\n")
    assert "Traceback" in failed.data["stderr"]
    killed = perform(SHELL, {"script": "kill -9 $$"})
    assert (killed.error, killed.data["exit_code"], killed.data["signal"]) == (
        "The script was killed by SIGKILL",
        -9,
        "SIGKILL",
    )
    assert perform(SHELL, {"script": "exit 7"}).error == "The script exited with code 7"


def test_other_exit_codes_can_mean_success(perform: Perform) -> None:
    assert perform(SHELL, {"script": "exit 7", "success_codes": [0, 7]}).error is None
    assert perform(PYTHON, {"script": "raise SystemExit(3)", "success_codes": "any"}).error is None
    assert perform(SHELL, {"script": "exit 0", "success_codes": [7]}).error == "The script exited with code 0"


def test_nothing_of_the_agent_is_inherited(printed: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBQUEUE_TOKEN", "secret")
    assert "JOBQUEUE_TOKEN" not in printed(SHELL, "env")


def test_cancel_and_timeout(perform: Perform, tmp_path: Path) -> None:
    cancelled, mark = threading.Event(), tmp_path / "mark"

    def output(_stream: str, _chunk: bytes) -> None:
        cancelled.set()

    script = f"import time\nprint('begun')\ntime.sleep(600)\nopen({str(mark)!r}, 'w')"
    began = time.monotonic()
    with pytest.raises(OperationCancelled):
        perform(PYTHON, {"script": script}, cancelled=cancelled, output=output)
    with pytest.raises(OperationTimedOut, match="200ms"):
        perform(SHELL, {"script": "sleep 600", "timeout": 0.2})
    assert time.monotonic() - began < 300
    assert not mark.exists()


def test_nothing_is_left_behind(printed: Printed) -> None:
    assert not Path(printed(SHELL, "echo keep > file; pwd").strip()).exists()


@pytest.mark.parametrize(
    ("type", "data"),
    [
        (PYTHON, {}),
        (PYTHON, {"script": ""}),
        (PYTHON, {"script": 5}),
        (PYTHON, {"script": "a\0b"}),
        (PYTHON, {"script": "1", "args": "x"}),
        (PYTHON, {"script": "1", "env": {"a=b": "c"}}),
        (PYTHON, {"script": "1", "python_files": [""]}),
        (SHELL, {"script": "1", "python_files": []}),
        (SHELL, {"script": "1", "verbose": "yes"}),
        (SHELL, {"script": "1", "timeout": 0}),
    ],
)
def test_bad_data(perform: Perform, registry: Any, type: str, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperationData):
        registry.validate(type, data)


LONG = "".join(f"echo {number}; " for number in range(2000))


@pytest.mark.parametrize(
    "script",
    [
        "echo " + "a" * 300,
        "true " + "b" * 5000,
        LONG,
        "#!/bin/bash\n" + "# a comment\n" * 400 + "[[ a == a ]] && echo yes",
        "/bin/echo " + "c" * 300,
        "/bin/echo " + "d " * 4000,
        ": " + "x" * 1_000_000,
    ],
)
def test_a_script_is_never_looked_up_as_a_path(printed: Printed, script: str) -> None:
    """What a real shell prints for the same script."""
    shell = "bash" if "bash" in script[:12] else "sh"
    wanted = subprocess.run([shell], input=script, capture_output=True, text=True, check=True, timeout=20).stdout
    assert printed(SHELL, script) == wanted


def test_a_long_python_script(printed: Printed) -> None:
    assert printed(PYTHON, "# " + "x" * 1_000_000 + "\nprint(1)") == "1\n"


def test_a_line_that_cannot_be_a_path_is_not_quoted(perform: Perform) -> None:
    """Such a script fails as code, and the message names none of it."""
    secret = "/s3cretCanary" + "x" * 300
    failed = perform(PYTHON, {"script": secret})
    assert failed.error is not None
    assert failed.error.startswith("The script exited with code 1: ")
    assert secret not in failed.error


@pytest.mark.parametrize("type", [PYTHON, SHELL])
def test_a_script_of_nul_bytes(perform: Perform, type: str) -> None:
    with pytest.raises(OperationFailed, match="NUL") as caught:
        perform(type, {"script": "s3cretCanary\0" * 100})
    assert "s3cretCanary" not in str(caught.value)


def test_a_script_made_on_windows(printed: Printed) -> None:
    script = "\ufeff#!/bin/bash\r\nif [[ a == a ]]\r\nthen\r\n  echo yes\r\nfi\r\n"
    assert printed(SHELL, script) == "yes\n"
    assert printed(SHELL, "\ufeff#!/bin/bash\n[[ a == a ]] && echo yes || echo no") == "yes\n"
    assert printed(PYTHON, "\ufeffif True:\r\n    print('yes')\r\n") == "yes\n"


def test_line_breaks_that_a_script_means_stay(printed: Printed) -> None:
    assert printed(SHELL, "printf 'a\r\nb'\necho") == "a\r\nb\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xef\xbb\xbf#!/bin/bash\necho\n", "byte order mark"), (b"#!/bin/sh\r\necho\r\n", "Windows line breaks")],
)
def test_a_file_made_on_windows(perform: Perform, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "script.sh"
    path.write_bytes(content)
    with pytest.raises(OperationFailed, match=message):
        perform(SHELL, {"script": str(path)})
