"""Run one module: its arguments as JSON on its standard input, its answer as JSON on its standard output."""

from __future__ import annotations

import json
import os
import pwd
import re
import tempfile
from collections.abc import Mapping
from typing import Any

from jobqueue.errors import OperationFailed, OperationNotSupported
from jobqueue.operations.ansible.environment import open_interpreter
from jobqueue.operations.ansible.module_answer import ModuleAnswer
from jobqueue.operations.ansible.module_name import python_name, refusal
from jobqueue.operations.context import Context
from jobqueue.operations.process.run import ProcessResult, discard
from jobqueue.operations.self_protection import protect_from_module
from jobqueue.operations.text import brief

_NO_ANSIBLE, _NO_MODULE = 90, 91
#: Modules that need the system's Python (apt, dnf) start themselves again by the two globals.
_DRIVER = f"""
import importlib.util, pathlib, runpy, sys
name = sys.argv.pop(1)
root = importlib.util.find_spec("ansible")
if root is None or not root.submodule_search_locations:
    sys.exit({_NO_ANSIBLE})
try:
    found = importlib.util.find_spec(name)
except ModuleNotFoundError:
    found = None
library = pathlib.Path(list(root.submodule_search_locations)[0])
if found is None:
    try:
        import yaml
        with (library / "config" / "ansible_builtin_runtime.yml").open() as file:
            routing = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["plugin_routing"]
        print(routing["modules"][name.removeprefix("ansible.modules.")]["redirect"])
    except Exception:
        pass
    sys.exit({_NO_MODULE})
place = str(library.parent)
runpy.run_module(name, dict(_module_fqn=name, _modlib_path=place), "__main__", alter_sys=True)
"""
_LONGEST_LINE = 500
#: Bytes of standard error in which its last line is looked for.
_LAST_LINE_WITHIN = 4096
#: Arguments with this prefix are the caller's of a module, not its own.
RESERVED = "_ansible_"


def run_module(
    module: str,
    arguments: Mapping[str, Any],
    context: Context,
    *,
    check: bool,
    timeout: float | None = None,
) -> ModuleAnswer:
    """The answer of ``module``; with ``check`` it changes nothing. A failure that it reports is an answer, too.

    Raises ``OperationNotSupported`` if this host has no ansible-core or not this module, or the module cannot check;
    ``OperationFailed`` if it gives no answer, or would remove or stop a part of the agent itself.
    """
    reason = refusal(module, arguments)
    if reason:
        raise OperationFailed(f"The module {module} cannot be run: {reason}.")
    protect_from_module(module, arguments)
    with open_interpreter(context) as interpreter, tempfile.TemporaryDirectory(prefix="jobqueue-ansible-") as folder:
        if context.confinement.user:
            entry = pwd.getpwnam(context.confinement.user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        request = {**arguments, **_settings(module, folder, check=check)}
        result = context.run(
            [interpreter.python, "-I", "-X", "utf8", "-c", _DRIVER, python_name(module)],
            stdin=json.dumps({"ANSIBLE_MODULE_ARGS": request}).encode(),
            pass_fds=interpreter.fds,
            output=discard,  # the answer itself, which the result holds
            timeout=timeout,
        )
    return _answer(module, result, context)


def _settings(module: str, folder: str, *, check: bool) -> dict[str, Any]:
    return {
        f"{RESERVED}check_mode": check,
        f"{RESERVED}diff": True,
        f"{RESERVED}no_log": True,  # into no system log: arguments may hold secrets, and the audit trail has the job
        f"{RESERVED}debug": False,
        f"{RESERVED}verbosity": 0,
        f"{RESERVED}module_name": module,
        f"{RESERVED}remote_tmp": folder,
        f"{RESERVED}keep_remote_files": False,
    }


def _answer(module: str, result: ProcessResult, context: Context) -> ModuleAnswer:
    if result.exit_code == _NO_ANSIBLE:
        raise OperationNotSupported(
            "The Python of JOBQUEUE_ANSIBLE has no ansible-core: install it there: python -m pip install ansible-core."
        )
    if result.exit_code == _NO_MODULE:
        raise OperationNotSupported(_no_module(module, result.stdout.text().strip()))
    if result.stdout.is_cut():
        raise OperationFailed(
            f"The module {module} printed {result.stdout.total} bytes, more than are kept of an output; narrow it by "
            "its arguments, or raise JOBQUEUE_MAX_OUTPUT_BYTES of the agent."
        )
    answer = ModuleAnswer.parse(result.stdout.text())
    if answer is None:
        raise OperationFailed(_no_answer(module, result, context))
    if answer.skipped and not answer.failed:
        raise OperationNotSupported(f"The module {module} was skipped: {answer.message or 'it gave no reason'}.")
    return answer


def _no_module(module: str, moved_to: str) -> str:
    """``moved_to``: the name that ansible-core's own table has for it; '' without one."""
    if re.fullmatch(r"[a-z_][a-z0-9_.]{0,200}", moved_to):
        return (
            f"The ansible-core of this host has no module {module}: it is {moved_to} now. Use this name; the "
            "collection must be in the same environment."
        )
    return (
        f"The ansible-core of this host has no module {module}; a module of a collection needs the collection, in the "
        "same environment."
    )


def _no_answer(module: str, result: ProcessResult, context: Context) -> str:
    # redacted as a whole: a line, or what a cut has left of one, may be part of a secret
    text = context.redactor.text(result.stderr.text(_LAST_LINE_WITHIN)).strip()
    last_line = brief(text.rpartition("\n")[2], _LONGEST_LINE)
    return f"The module {module} {result.ending} and printed no JSON{f': {last_line}' if last_line else ''}."
