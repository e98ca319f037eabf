"""A step of one of Rundeck's jobs as an operation."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from jobqueue.cli.imports.imported import NotTakenOver, literal
from jobqueue.cli.imports.rundeck_options import Options
from jobqueue.cli.imports.rundeck_values import as_flag, check_fields
from jobqueue.cli.views.text import one_line

_STEP = {
    *("exec", "script", "args", "scriptInterpreter", "interpreterArgsQuoted", "fileExtension", "description"),
    *("expandTokenInScriptFile", "plugins", "enabled"),
}
#: Kinds of steps that are not imported, and why.
_REFUSED = {
    "jobref": "its step is another job (jobref); a job runs operations on hosts.",
    "scriptfile": "its step is a file of Rundeck's server (scriptfile); put the script into the job.",
    "scripturl": "its step is a script at a URL (scripturl); put the script into the job.",
}
#: The plugin with which newer versions write inline scripts, and what its configuration is in a step.
_INLINE, _INLINE_FIELDS = "script-inline", {"adhocLocalString": "script", "argString": "args"}
_VARIABLE = re.compile(r"\$\{([A-Za-z][\w-]*)\.([^}\s]+)\}")
_TOKEN = re.compile(r"@([A-Za-z][\w-]*\.[\w.-]+)@")
_OTHER_ENVIRONMENT = re.compile(r"RD_(?!OPTION_)[A-Z]+_[A-Z_]+")
#: In a command with these, whether an option stands in quotes depends on more than the quotes before it.
_UNSURE = ("`", "#", "<<", "\\")
_SPECIAL_IN_ARGUMENTS = re.compile(r"[$`;&|<>*?()~#!\n{}\[\]]")
_INTERPRETER = re.compile(r"(/[\w./+-]+|[\w.+-]+)(?: +(-\w+))?")
_NOT_INTERPRETERS = ("sudo", "su", "env", "ssh", "doas", "runuser")


def operation_of(step: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """The operation of a step, as ``plain_step`` gives it. Raises ``NotTakenOver``."""
    check_fields(step, _STEP, "its step")
    return _command(step, options) if "exec" in step else _script(step, options)


def plain_step(step: Any) -> Mapping[str, Any]:
    """The step, with the fields of a built-in plugin as those of a step. Raises ``NotTakenOver`` for other kinds."""
    if not isinstance(step, Mapping):
        raise NotTakenOver("its step is not an object.")
    for field, reason in _REFUSED.items():
        if step.get(field):
            raise NotTakenOver(reason)
    if "type" not in step:
        return step
    configuration = step.get("configuration")
    if step["type"] != _INLINE or not isinstance(configuration, Mapping):
        raise NotTakenOver(f"its step is of the plugin {one_line(step['type'])}.")
    rest = {name: value for name, value in step.items() if name not in ("type", "configuration", "nodeStep")}
    return {**rest, **{_INLINE_FIELDS.get(str(name), str(name)): value for name, value in configuration.items()}}


def _command(step: Mapping[str, Any], options: Options) -> dict[str, Any]:
    command = str(step["exec"])
    if not command.strip():
        raise NotTakenOver("its command is empty.")
    _check_environment(command)

    def quoted(match: re.Match[str]) -> str:
        if any(sign in command for sign in _UNSURE) or _is_quoted(command[: match.start()]):
            raise NotTakenOver(
                f"{match[0]} stands in quotes or near them; make the command a script that uses its variable."
            )
        return f"{_parameter(match, options)} | quote"

    return _operation("command.shell.execute", {"command": _template(command, quoted)}, options)


def _script(step: Mapping[str, Any], options: Options) -> dict[str, Any]:
    script = step.get("script")
    if not isinstance(script, str) or not script.strip():
        raise NotTakenOver("its step is neither a command nor a script.")
    token = _TOKEN.search(script)
    if token:
        raise NotTakenOver(f"its script has {token[0]}, whose value would become code; use the variable of the option.")
    _check_environment(script)
    data: dict[str, Any] = {"script": literal(_interpreted(script, step))}
    arguments = _arguments(str(step.get("args") or ""), options)
    if arguments:
        data["args"] = arguments
    return _operation("script.shell.execute", data, options)


def _operation(kind: str, data: dict[str, Any], options: Options) -> dict[str, Any]:
    environment = options.environment()
    return {"type": kind, "data": {**data, "env": environment} if environment else data}


def _check_environment(text: str) -> None:
    match = _OTHER_ENVIRONMENT.search(text)
    if match:
        raise NotTakenOver(f"its step uses {match[0]}, which Rundeck sets and jobs do not.")


def _parameter(match: re.Match[str], options: Options, *, is_whole: bool = False) -> str:
    """The parameter that a variable stands for."""
    context, name = match.groups()
    if context != "option" or name not in options.names:
        raise NotTakenOver(f"its step uses {one_line(match[0])}, which jobs do not have.")
    if name in options.secrets and not is_whole:
        raise NotTakenOver(
            f"its step uses the secret {one_line(match[0])} in a command; use the variable of the option."
        )
    return options.names[name]


def _is_quoted(text: str) -> bool:
    """Whether the text ends inside of quotation marks; it has no backslashes."""
    quote = ""
    for sign in text:
        if sign == quote:
            quote = ""
        elif not quote and sign in "'\"":
            quote = sign
    return bool(quote)


def _interpreted(script: str, step: Mapping[str, Any]) -> str:
    """The script with its interpreter in its first line."""
    interpreter = str(step.get("scriptInterpreter") or "").strip()
    if not interpreter:
        return script
    match = _INTERPRETER.fullmatch(interpreter)
    if match is None or match[1].rpartition("/")[2] in _NOT_INTERPRETERS or (match[2] and not match[1].startswith("/")):
        raise NotTakenOver(
            f"its script has the interpreter {one_line(interpreter)!r}; only a program with at most one option."
        )
    if as_flag(step.get("interpreterArgsQuoted"), "interpreterArgsQuoted"):
        raise NotTakenOver("its interpreter takes the script and its arguments as one word (interpreterArgsQuoted).")
    program = interpreter if match[1].startswith("/") else f"/usr/bin/env {interpreter}"
    return f"#!{program}\n{script}"


def _arguments(text: str, options: Options) -> list[str]:
    plain = _VARIABLE.sub("", text)
    if _SPECIAL_IN_ARGUMENTS.search(plain):
        raise NotTakenOver(
            f"the arguments of its script, {one_line(text)!r}, have characters that a shell would interpret."
        )
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise NotTakenOver(f"the arguments of its script, {one_line(text)!r}, have an open quote.") from error
    return [_argument(word, options) for word in words]


def _argument(word: str, options: Options) -> str:
    return _template(word, lambda match: _parameter(match, options, is_whole=match[0] == word))


def _template(text: str, expression: Callable[[re.Match[str]], str]) -> str:
    """The text as a template: each variable as the ``expression`` of its value, all else literally."""
    pieces: list[str] = []
    end = 0
    for match in _VARIABLE.finditer(text):
        pieces += [literal(text[end : match.start()]), f"{{{{ {expression(match)} }}}}"]
        end = match.end()
    return "".join([*pieces, literal(text[end:])])
