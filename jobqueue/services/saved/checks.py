"""Checks of a saved job's templates when it is stored: no value of a parameter can become code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.operations.base import OTHER_CODE, SHELL
from jobqueue.plain_text import without_mark
from jobqueue.services.saved import template
from jobqueue.services.saved.parameters import HOSTS, SECRET, TARGET
from jobqueue.services.saved.shell_quotes import ShellPosition
from jobqueue.services.saved.template import MAX_EXPRESSIONS, Expression, Template, TemplateFault

#: Types whose values cannot be code.
_PLAIN = frozenset({"integer", "number", "boolean"})
_SHEBANG = re.compile(r"#!\s*(?:/\S*/)?(?:env\s+)?(?:\S*/)?(\S+)")
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh"})
_ADVICE = 'Pass it in an environment variable instead: {"env": {"NAME": "{{ parameter }}"}}, and write "$NAME".'
_MOST_FAULTS = 20

Parameters = Mapping[str, Mapping[str, Any]]


def check_templates(code: Mapping[str, str], data: Mapping[str, Any], parameters: Parameters, where: str) -> None:
    """Raise ``InvalidInput`` for templates that are not valid, use parameters that are not declared, or put a text
    unquoted into code. ``code``: the fields of the data that are code, with their languages; ``where``: its path.
    """
    faults: dict[str, list[str]] = {}
    count = 0
    for way, text in template.texts_in(data):
        try:
            parsed = template.parse(text)
            if parsed is None:
                continue
            count += len(parsed.expressions)
            _check(parsed, parameters, _language(code, way, text))
        except TemplateFault as error:
            faults[f"{where}.{way}"] = [str(error)]
        if len(faults) == _MOST_FAULTS:
            break
    if faults:
        field, sentences = next(iter(faults.items()))
        raise InvalidInput(f"{field}: {sentences[0]}", faults)
    if count > MAX_EXPRESSIONS:
        raise InvalidInput.of(where, f"At most {MAX_EXPRESSIONS} expressions, not {count}.")


def target_parameter(target: str, parameters: Parameters) -> str | None:
    """The parameter that is the whole target; None for a target without one. Raises ``InvalidInput``."""
    try:
        parsed = template.parse(target)
    except TemplateFault as error:
        raise InvalidInput.of("target_hostname", str(error)) from error
    if parsed is None:
        return None
    parameter = parsed.whole
    name = None if parameter is None or parameter.filters else parameter.name
    if name is None or parameters.get(name, {}).get("format") not in (HOSTS, TARGET):
        sentence = (
            f"A target is an expression or one whole parameter {{{{ name }}}} with the format {HOSTS!r} or {TARGET!r}."
        )
        raise InvalidInput.of("target_hostname", sentence)
    return name


def _check(parsed: Template, parameters: Parameters, language: str) -> None:
    position = ShellPosition()
    for piece in parsed.pieces:
        if isinstance(piece, str):
            position.feed(piece)
            continue
        if piece.name is not None:
            _check_parameter(piece, parameters, is_whole=parsed.whole is not None)
            if language and not _is_plain(parameters[piece.name]):
                _check_code(piece, language, position)
        elif language == SHELL:
            position.feed(str(piece.evaluate({})))
            continue
        position.word()


def _check_parameter(piece: Expression, parameters: Parameters, *, is_whole: bool) -> None:
    schema = parameters.get(str(piece.name))
    if schema is None:
        declared = f"declared are {', '.join(parameters)}" if parameters else "none is declared"
        raise TemplateFault(f"The parameter {piece.name!r} is not declared in parameters; {declared}.")
    if schema.get(SECRET) and (piece.filters or not is_whole):
        raise TemplateFault(
            f"{piece.name!r} is a secret: it must be the whole value {{{{ {piece.name} }}}}, since only the agent "
            "knows its text."
        )


def _check_code(piece: Expression, language: str, position: ShellPosition) -> None:
    shown = f"{{{{ {piece.name} }}}}"
    if language == OTHER_CODE:
        raise TemplateFault(
            f"The text {shown} would become code. Pass it in args or env, or give the parameter an enum or a type "
            "other than text."
        )
    if not piece.is_quoted:
        raise TemplateFault(f"{shown} would become shell code: write {{{{ {piece.name} | quote }}}}. {_ADVICE}")
    if position.fault:
        raise TemplateFault(f"{shown} is {position.fault}: it would become shell code. {_ADVICE}")


def _is_plain(schema: Mapping[str, Any]) -> bool:
    """Whether the author of the saved job knows every character of a value: digits, or one of the texts listed."""
    return schema["type"] in _PLAIN or "enum" in schema


def _language(code: Mapping[str, str], way: str, text: str) -> str:
    language = code.get(way, "")
    text = without_mark(text)  # as the operation runs it
    if language == SHELL and text.startswith("#!"):
        shebang = _SHEBANG.match(text)
        return SHELL if shebang is not None and shebang[1] in _SHELLS else OTHER_CODE
    return language
