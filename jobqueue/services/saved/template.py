"""Templates in the data of a saved job: texts with ``{{ parameter }}`` or ``{{ parameter | filter }}``.

Jinja2's sandbox evaluates the expressions, of which only a small part is allowed: one parameter (or a text in quotes)
and filters. There are no statements, no attributes, no calls and no operators, so an expression takes a time that is
proportional to its value.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jobqueue.errors import InvalidInput
from jobqueue.operations.references import escaped
from jobqueue.trust.secrets.reference import KEY as SECRET_KEY

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

OPEN, _STATEMENT = "{{", "{%"
QUOTE = "quote"
#: Maximum length of one expression, in characters, and maximum number of expressions in one saved job.
MAX_EXPRESSION, MAX_EXPRESSIONS = 300, 1000
#: Maximum size of the texts that the templates of one run yield, in characters.
MAX_RENDERED = 1024 * 1024
_MAX_DEPTH = 32
_PIECE = re.compile(r"""\{\{((?:'[^'\\]*'|"[^"\\]*"|[^'"{}])*)\}\}""")


class TemplateFault(Exception):
    """An invalid template; the text says what is wrong."""


#: The kinds of references that agents resolve at a dotted path of the data.
KindsAt = Callable[[str], Sequence[str]]


def _no_references(_path: str) -> Sequence[str]:
    return ()


class _Omitted:
    """The value of a template whose parameter has no value."""


OMITTED = _Omitted()


@dataclass(frozen=True)
class Expression:
    """``name`` is that of the parameter, None for a text in quotes."""

    name: str | None
    filters: tuple[str, ...]
    evaluate: Callable[[Mapping[str, Any]], Any]

    @property
    def is_quoted(self) -> bool:
        """Whether its value is a word, or several, for a shell."""
        return bool(self.filters) and self.filters[-1] == QUOTE


@dataclass(frozen=True)
class Template:
    """Literal texts and expressions, in order."""

    pieces: tuple[str | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Expression))

    @property
    def whole(self) -> Expression | None:
        """The expression, if it is the whole template: its value then keeps its type."""
        only = self.pieces[0] if len(self.pieces) == 1 else None
        return only if isinstance(only, Expression) else None


def parse(text: str) -> Template | None:
    """The template in a text; None for a text without expressions. Raises ``TemplateFault``."""
    if OPEN not in text and _STATEMENT not in text:
        return None
    pieces: list[str | Expression] = []
    end = 0
    for match in _PIECE.finditer(text):
        pieces += [_literal(text[end : match.start()]), _expression(match[1].strip())]
        end = match.end()
    pieces.append(_literal(text[end:]))
    return Template(tuple(piece for piece in pieces if piece != ""))


def texts_in(data: Any, way: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Every text in the data with its dotted path. Raises ``InvalidInput`` for a template where there can be none."""
    if depth > _MAX_DEPTH:
        raise InvalidInput.of(way, f"Nested more than {_MAX_DEPTH} levels deep.")
    if isinstance(data, str):
        yield way, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            path = f"{way}.{key}" if way else str(key)
            if OPEN in str(key):
                raise InvalidInput.of(path[:200], "The name of a field cannot be a template.")
            if key == SECRET_KEY and isinstance(value, str) and OPEN in value:
                sentence = 'The name of a secret cannot be a template; use a parameter with "secret": true.'
                raise InvalidInput.of(path, sentence)
            yield from texts_in(value, path, depth + 1)
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from texts_in(value, f"{way}.{number}", depth + 1)


def render(
    data: Mapping[str, Any], values: Mapping[str, Any], where: str, kinds_at: KindsAt = _no_references
) -> dict[str, Any]:
    """The data with its templates replaced. ``where`` is the path of the data, for errors.

    A value that is one expression keeps its type; without a value of its parameter, it is left out. ``kinds_at``: the
    kinds of references that agents resolve at a path below ``where``. In values, they are plain text.
    """
    rendered = _Rendering(values, where, kinds_at).value(data, where)
    return rendered if isinstance(rendered, dict) else {}


def text_of(value: Any) -> str:
    """A value as part of a text: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class _Rendering:
    def __init__(self, values: Mapping[str, Any], where: str, kinds_at: KindsAt) -> None:
        self._values = values
        self._where = where
        self._kinds_at = kinds_at
        self._left = MAX_RENDERED

    def value(self, data: Any, way: str) -> Any:
        if isinstance(data, str):
            return self._text(data, way)
        if isinstance(data, Mapping):
            if SECRET_KEY in data:
                return dict(data)
            rendered = {key: self.value(value, f"{way}.{key}") for key, value in data.items()}
            return {key: value for key, value in rendered.items() if value is not OMITTED}
        if isinstance(data, list):
            items = [self.value(value, f"{way}.{number}") for number, value in enumerate(data)]
            return [value for value in items if value is not OMITTED]
        return data

    def _text(self, text: str, way: str) -> Any:
        try:
            template = parse(text)
        except TemplateFault as error:
            raise InvalidInput.of(way, str(error)) from error
        if template is None:
            return text
        if template.whole is not None:
            value = self._evaluated(template.whole, way)
            self._take(way, 0 if value is OMITTED else len(text_of(value)))
            return value
        parts = []
        for piece in template.pieces:
            value = self._evaluated(piece, way, as_text=True) if isinstance(piece, Expression) else piece
            parts.append("" if value is OMITTED else value)
            self._take(way, len(parts[-1]))
        return "".join(parts)

    def _evaluated(self, expression: Expression, way: str, *, as_text: bool = False) -> Any:
        if expression.name is None:
            return expression.evaluate({})  # a text of the author
        if expression.name not in self._values:
            return OMITTED
        value = expression.evaluate(self._values)
        return escaped(text_of(value) if as_text else value, self._kinds_at(way[len(self._where) + 1 :]))

    def _take(self, way: str, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise InvalidInput.of(way, f"The templates yield more than {MAX_RENDERED} characters together.")


def _literal(text: str) -> str:
    if OPEN in text:
        position = text.index(OPEN)
        raise TemplateFault(
            f"{text[position : position + 40]!r} is not a valid template: write {{{{ parameter }}}} or {{{{ parameter "
            "| filter }}; for the characters themselves write {{ '{{' }}."
        )
    if _STATEMENT in text:
        position = text.index(_STATEMENT)
        raise TemplateFault(
            f"{text[position : position + 40]!r}: statements are not allowed in templates; for the characters "
            "themselves write {{ '{%' }}."
        )
    return text


@lru_cache(maxsize=2048)
def _expression(text: str) -> Expression:
    from jinja2 import TemplateSyntaxError, nodes

    if len(text) > MAX_EXPRESSION:
        raise TemplateFault(f"An expression has at most {MAX_EXPRESSION} characters, not {len(text)}.")
    shown = f"{{{{ {text[:60]} }}}}"
    try:
        body = _environment().parse(f"{{{{ {text} }}}}").body  # with blanks: {{- is another sign
    except (TemplateSyntaxError, RecursionError) as error:
        raise TemplateFault(f"{shown} is not a valid expression: write a parameter, and filters after |.") from error
    output = body[0] if len(body) == 1 else None
    node = output.nodes[0] if isinstance(output, nodes.Output) and len(output.nodes) == 1 else None
    filters: list[str] = []
    while isinstance(node, nodes.Filter):
        filters.insert(0, _filter_name(node, shown))
        node = node.node
    is_text = isinstance(node, nodes.Const) and isinstance(node.value, str)
    if not is_text and not isinstance(node, nodes.Name):
        raise TemplateFault(
            f"{shown}: an expression is a parameter with filters; attributes, items, calls and operators are not "
            "allowed."
        )
    compiled = _environment().compile_expression(text, undefined_to_none=False)
    name = node.name if isinstance(node, nodes.Name) else None
    return Expression(name, tuple(filters), lambda values: compiled(**values))


def _filter_name(node: Any, shown: str) -> str:
    from jinja2 import nodes

    name = str(node.name)
    if name not in _FILTERS:
        raise TemplateFault(f"{shown}: unknown filter {name!r}; use {', '.join(_FILTERS)}.")
    plain = all(isinstance(argument, nodes.Const) and isinstance(argument.value, str) for argument in node.args)
    if node.kwargs or node.dyn_args or node.dyn_kwargs or not plain or len(node.args) != (name == "join"):
        usage = "join(', ')" if name == "join" else name
        raise TemplateFault(f"{shown}: the filter is written {usage}.")
    return name


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    # imported here: part of the extra ``api``
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # not escaped for HTML: the values go into the data of operations
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, cache_size=0)
    environment.globals.clear()
    environment.filters = dict(_FILTERS)
    environment.tests = {}
    return environment


def _quote(value: Any) -> str:
    return shlex.join(map(text_of, value)) if isinstance(value, list) else shlex.quote(text_of(value))


def _join(value: Any, separator: str) -> str:
    return separator.join(map(text_of, value)) if isinstance(value, list) else text_of(value)


_FILTERS: dict[str, Callable[..., Any]] = {
    QUOTE: _quote,
    "join": _join,
    "string": text_of,
    "tojson": lambda value: json.dumps(value, ensure_ascii=False),
    "upper": lambda value: text_of(value).upper(),
    "lower": lambda value: text_of(value).lower(),
    "trim": lambda value: text_of(value).strip(),
}
