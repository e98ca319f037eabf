"""Templates: what they yield, and everything in them that is refused."""

from __future__ import annotations

import shlex
import time
from typing import Any

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.operations.references import resolve
from jobqueue.services.saved import template
from jobqueue.services.saved.template import MAX_RENDERED, TemplateFault, parse, render


def rendered(text: str, **values: Any) -> Any:
    return render({"field": text}, values, "data").get("field", "left out")


@pytest.mark.parametrize("value", [3, 2.5, True, ["a", 1], {"a": [None]}, "text", {"$secret": "token"}])
def test_a_whole_value_keeps_its_type(value: Any) -> None:
    found = rendered("{{ p }}", p=value)
    assert (found, type(found)) == (value, type(value))


def test_in_a_text_values_become_text() -> None:
    assert rendered("{{a}}-{{ b }} {{ c }} {{ d }}", a="x", b=3, c=True, d=["y", 1]) == 'x-3 true ["y", 1]'


def test_a_parameter_without_a_value_leaves_its_field_out() -> None:
    assert rendered("{{ p }}") == "left out"
    assert rendered("<{{ p }}>") == "<>"
    assert render({"list": ["a", "{{ p }}"]}, {}, "data") == {"list": ["a"]}


@pytest.mark.parametrize(
    "text",
    [
        *("line\r\nline\n", "${#array} # {# no comment #}", "awk '{print $1}'", "}} {", '{"a":{"b":{}}}'),
        "{{ p }}\r\n{# no comment #}\n",
    ],
)
def test_everything_else_is_kept_to_the_byte(text: str) -> None:
    assert rendered(text, p="{{ p }}") == text


@pytest.mark.parametrize(
    "value",
    ["@fact.kernel", "x @fact.{os.name}!", "@@fact.kernel", "press@fact.org", "@step.a.stdout", "@fact.", "@", "a@@b"],
)
def test_values_are_no_references(value: str) -> None:
    """What an agent makes of the rendered text is the value itself, as it is for every other text."""
    facts = {"fact": lambda name: f"({name})", "step": lambda name: f"({name})"}
    for written, expected in (("{{ p }}", value), ("<{{ p }}> @fact.x", f"<{value}> (x)"), ("a{{ p }}", f"a{value}")):
        text = render({"field": written}, {"p": value}, "data", lambda path: ("fact", "step"))["field"]
        assert resolve(text, facts) == expected
    assert render({"field": ["{{ p }}"]}, {"p": [value, 1]}, "data", lambda path: ()) == {"field": [[value, 1]]}
    assert rendered("{{ p }} {{ '@fact.x' }}", p="y") == "y @fact.x"  # a text of the author


def test_values_are_not_templates() -> None:
    assert rendered("{{ p }} {{ q }}", p="{{ q }}", q="{% raw %}") == "{{ q }} {% raw %}"


def test_texts_in_quotes_stand_for_themselves() -> None:
    assert rendered("docker ps --format '{{ '{{' }}.Names}}'") == "docker ps --format '{{.Names}}'"
    assert rendered('{{ "{%" }} {{p}}', p=1) == "{% 1"


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("{{ p | quote }}", "a b'c", shlex.quote("a b'c")),
        ("{{ p | quote }}", ["a b", 1], "'a b' 1"),
        ("{{ p | join(', ') }}", ["a", 2], "a, 2"),
        ("{{ p | tojson }}", {"a": "<&>"}, '{"a": "<&>"}'),
        ("{{ p | string }}", 3, "3"),
        ("{{ p | trim | upper }}", " ab ", "AB"),
        ("{{ p|lower }}", "AB", "ab"),
    ],
)
def test_filters(text: str, value: Any, expected: str) -> None:
    assert rendered(text, p=value) == expected


@pytest.mark.parametrize(
    "text",
    [
        # statements, loops
        *("{% for x in p %}{% endfor %}", "{%- if p %}", "{{ p }}{% set x = 1 %}", "{% raw %}"),
        # attributes, items, calls, operators
        *("{{ p.__class__ }}", "{{ p['a'] }}", "{{ p[0] }}", "{{ p() }}", "{{ range(10) }}", "{{ ''.join(p) }}"),
        *("{{ p * 9 }}", "{{ 'a' * 1000000000 }}", "{{ p ~ p }}", "{{ -p }}", "{{ p if p else p }}", "{{ [p] }}"),
        *("{{ (p, p) }}", "{{ not p }}", "{{ p is defined }}", "{{ p and p }}", "{{ 9 }}", "{{ 1e999 }}"),
        # filters
        *("{{ p | attr('x') }}", "{{ p | map }}", "{{ p | join }}", "{{ p | join(p) }}", "{{ p | quote(1) }}"),
        *("{{ p | center(1000000000) }}", "{{ p | replace('', 'aa') }}", "{{ p | join(d=p) }}", "{{ p | join(*p) }}"),
        # not an expression
        *("{{ }}", "{{", "{{ p", "{{ p }", "{{- p -}}", "{{ {{ p }} }}", "{{ p | }}", "{{ p q }}", "{{ 'a }}"),
        *("{{ " + "(" * 290 + " }}", "{{ " + "p" * 400 + " }}", "{{ p }} {{", "{{ p %} }}"),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(TemplateFault, match=r"\{|expression"):
        parse(text)


def test_a_template_that_grows_is_stopped() -> None:
    began = time.monotonic()
    with pytest.raises(InvalidInput, match=f"more than {MAX_RENDERED} characters"):
        render({"a": ["{{ p }}"] * 1000}, {"p": "x" * 200_000}, "data")
    assert time.monotonic() - began < 5


def test_names_of_fields_and_of_secrets_are_no_templates() -> None:
    for data in ({"{{ p }}": 1}, {"a": {"$secret": "{{ p }}"}}):
        with pytest.raises(InvalidInput, match="cannot be a template"):
            list(template.texts_in(data))


def test_data_that_is_nested_too_deep() -> None:
    data: Any = "x"
    for _ in range(50):
        data = [data]
    with pytest.raises(InvalidInput, match="levels deep"):
        list(template.texts_in({"a": data}))
