"""Scripts: Python or shell code that comes with the job, or a file of the host."""

from __future__ import annotations

import codecs
import os
import shlex
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marshmallow import validate

from jobqueue.errors import OperationFailed
from jobqueue.model.output import AGENT
from jobqueue.operations.base import OTHER_CODE, SHELL, operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.answer import process_outcome, success_codes_field
from jobqueue.operations.schema import Entries, Flag, Items, Schema, Text, shape, timeout_field
from jobqueue.operations.text import brief
from jobqueue.plain_text import unix_code, without_mark

_SHELL = "/bin/sh"
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_MAX_ARGUMENTS = 10_000
#: Lengths in bytes from which a text cannot be a path on Linux, or a path component.
_LONGEST_PATH = 4096
_LONGEST_NAME = 255
#: Bytes of a script on the host that are checked for a Windows editor's marks.
_LOOKED_AT = 64 * 1024
#: What Python imports from directly; a single module is put into a folder of its own first.
_MODULE_SUFFIX = ".py"


class _ScriptSchema(Schema):
    """The common fields of both kinds of script."""

    script = Text(
        required=True,
        validate=validate.Length(1),
        metadata={"description": "The code itself, or the absolute path of a file on the host."},
    )
    args = Items(Text(), load_default=list, validate=validate.Length(max=_MAX_ARGUMENTS))
    env = Entries(
        keys=Text(**shape(r"[^=]+", "Must be a name without '='.")),
        values=Text(),
        load_default=dict,
        metadata={"description": "Added to the agent's environment."},
    )
    verbose = Flag(
        load_default=False, metadata={"description": "Print the command line and environment into the output."}
    )
    success_codes = success_codes_field()
    timeout = timeout_field()


class PythonScriptSchema(_ScriptSchema):
    python_files = Items(
        Text(validate=validate.Length(1)),
        load_default=list,
        validate=validate.Length(max=_MAX_ARGUMENTS),
        metadata={"description": "Modules, folders and archives on the host that the script may import."},
    )


class ShellScriptSchema(_ScriptSchema):
    """A script without a #! line is run by /bin/sh."""


@operation(
    "script.python.execute",
    schema=PythonScriptSchema,
    changes=True,
    permission="python:execute",
    takes_facts=False,
    code={"script": OTHER_CODE},
)
def python_execute(data: dict[str, Any], context: Context) -> Outcome:
    """Run a Python script with the agent's own Python; an exit code outside of `success_codes` fails the job."""
    with tempfile.TemporaryDirectory(prefix="jobqueue-script-") as name:
        file = Path(name)
        path = _path(data["script"], context) or _written(file, "script.py", data["script"])
        imports = _imports(file, data["python_files"], context)
        inherited = os.environ.get("PYTHONPATH", "")
        env = {"PYTHONPATH": os.pathsep.join([*imports, inherited] if inherited else imports)} if imports else {}
        return _run([sys.executable, "-u", "-X", "utf8", str(path), *data["args"]], file, env, data, context)


@operation(
    "script.shell.execute",
    schema=ShellScriptSchema,
    changes=True,
    permission="shell:execute",
    takes_facts=False,
    code={"script": SHELL},
)
def shell_execute(data: dict[str, Any], context: Context) -> Outcome:
    """Run a shell script, or one with a #! line; an exit code outside of `success_codes` fails the job."""
    with tempfile.TemporaryDirectory(prefix="jobqueue-script-") as name:
        file = Path(name)
        text = data["script"]
        # "/bin/echo hello" is a line of code unless there is a file of just this name
        is_line = any(c.isspace() for c in text.strip()) and not _is_file(text.strip())
        path = None if is_line else _path(text, context)
        if path is None:
            path = _written(file, "script.sh", text)
        else:
            _check_text(path)
        return _run([*_interpreter(path), str(path), *data["args"]], file, {}, data, context)


def _path(script: str, context: Context) -> Path | None:
    """The file that ``script`` names; None if it is code."""
    line = without_mark(script).strip()
    if not _can_be_path(line):
        return None
    path = Path(line)
    if path.is_dir():
        raise OperationFailed(
            f"The script {brief(line, 300)!r} on {context.hostname} is a directory; name a file in it."
        )
    if not _is_file(line):
        raise OperationFailed(f"The script {brief(line, 300)!r} does not exist on {context.hostname}.")
    if not os.access(path, os.R_OK):
        raise OperationFailed(f"The script {brief(line, 300)!r} on {context.hostname} is not readable by the agent.")
    return path


def _can_be_path(line: str) -> bool:
    """Whether a text can be a path, judged by the text alone: most scripts cannot, and are not looked up."""
    if not line.startswith("/") or "\n" in line or "\r" in line or len(line.encode()) >= _LONGEST_PATH:
        return False
    return all(len(name.encode()) <= _LONGEST_NAME for name in line.split("/"))


def _is_file(line: str) -> bool:
    try:
        return _can_be_path(line) and stat.S_ISREG(Path(line).stat().st_mode)
    except OSError:  # missing, or not readable by the agent, which then could not run it
        return False


def _check_text(path: Path) -> None:
    """Raise ``OperationFailed`` for a shell script of the host that no shell would understand."""
    with path.open("rb") as file:
        begin = file.read(_LOOKED_AT)
    if begin.startswith(codecs.BOM_UTF8):
        raise OperationFailed(
            f"The script {brief(str(path), 300)!r} begins with a byte order mark, and would be run by the wrong "
            f"interpreter; save it without, or remove it: sed -i '1s/^\\xef\\xbb\\xbf//' FILE"
        )
    words = " ".join(_interpreter(path)).split()
    has_shell = any(Path(word).name in _SHELLS for word in words)
    if has_shell and b"\r\n" in begin and begin.count(b"\r\n") == begin.count(b"\n"):
        raise OperationFailed(
            f"The script {brief(str(path), 300)!r} has Windows line breaks (CRLF), which a shell takes "
            "as a part of each command; convert it: sed -i 's/\\r$//' FILE"
        )


def _written(file: Path, name: str, script: str) -> Path:
    folder = file / "code"  # beside the working directory, which is the script's own and empty
    folder.mkdir()
    path = folder / name
    # a shell would not understand a file as saved by a Windows editor
    path.write_text(unix_code(script), encoding="utf-8", newline="")
    return path


def _interpreter(path: Path) -> list[str]:
    """The interpreter of a shell script: from its first line, none for a program, else the shell."""
    with path.open("rb") as file:
        first = file.read(256).partition(b"\n")[0]
    if first.startswith(b"#!"):
        # as the kernel reads it: an interpreter and at most one argument. Read here, because the folder may be one
        # that nothing may be executed from
        return first[2:].decode("utf-8", "replace").strip().split(None, 1) or [_SHELL]
    is_program = b"\0" in first or first.startswith(b"\x7fELF")
    return [] if is_program else [_SHELL]


def _imports(file: Path, files: list[str], context: Context) -> list[str]:
    """Import paths for ``files``. A single module must not expose its whole folder."""
    modules = file / "modules"
    listed: list[str] = []
    for name in files:
        path = Path(name)
        if not path.is_absolute():
            raise OperationFailed(f"python_files: {brief(name, 300)!r} must be an absolute path.")
        if not path.exists():
            raise OperationFailed(f"python_files: {brief(name, 300)!r} does not exist on {context.hostname}.")
        if path.suffix != _MODULE_SUFFIX:
            listed.append(name)
            continue
        modules.mkdir(exist_ok=True)
        shutil.copy(path, modules / path.name)
        if str(modules) not in listed:
            listed.append(str(modules))
    return listed


def _run(argv: list[str], file: Path, env: Mapping[str, str], data: Mapping[str, Any], context: Context) -> Outcome:
    cwd = file / "work"
    cwd.mkdir()
    own = Path(sys.executable).parent
    environment = {
        "PYTHONUNBUFFERED": "1",
        # so that there is a `python`, and the one that the agent runs
        "PATH": os.pathsep.join([str(own), os.environ.get("PATH", os.defpath)]),
        **env,
        **data["env"],
    }
    if "PYTHONPATH" in env and "PYTHONPATH" in data["env"]:
        environment["PYTHONPATH"] = os.pathsep.join([env["PYTHONPATH"], data["env"]["PYTHONPATH"]])
    if data["verbose"]:
        names = " ".join(sorted(data["env"])) or "nothing"
        context.output(AGENT, f"+ {shlex.join(argv)}\n+ in {cwd}, {names} added to the environment\n".encode())
    result = context.run(argv, cwd=str(cwd), env=environment, timeout=data.get("timeout"))
    return process_outcome(result, data["success_codes"], "script", context)
