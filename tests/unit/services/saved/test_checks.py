"""Values of parameters never become code: every accepted template is tried in a real shell with hostile values."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.operations.registry import Registry
from jobqueue.services.saved.checks import check_templates, target_parameter
from jobqueue.services.saved.parameters import check_parameters
from jobqueue.services.saved.shell_quotes import ShellPosition
from jobqueue.services.saved.template import render

HOSTILE = (
    "$(echo INJECTED)",
    "`echo INJECTED`",
    "; echo INJECTED",
    "'; echo INJECTED; '",
    '"; echo INJECTED; "',
    "\necho INJECTED\n",
    "\\",
    "' \\'",
    "#",
    "${IFS}",
    "",
    "a  b",
    "-n",
)
ACCEPTED = (
    "printf '<%s>' {{ p | quote }}",
    "x={{ p | quote }}; printf '<%s>' \"$x\"",
    "# don't mind\nprintf '<%s>' {{ p | quote }}",
    "true # it's \"that\nprintf '<%s>' {{ p | quote }}",
    "printf '<%s>' \"\"{{ p | quote }}''",
    "n=5; printf '<%s>' {{ p | quote }} # ${#n} $#",
    "x=$(printf '<%s>' {{ p | quote }}; echo .); printf %s \"${x%?}\"",
    "if true; then printf '<%s>' {{ p | quote }}; fi",
    "printf \\\n'<%s>' {{ p | quote }}",
    "printf '<%s>' {{ p | trim | quote }}",
)
REFUSED = (
    "echo {{ p }}",
    "echo {{ p | quote | upper }}",
    "echo '{{ p | quote }}'",
    'echo "{{ p | quote }}"',
    'echo "it\'s {{ p | quote }}"',
    "# {{ p | quote }}",
    "true;# {{ p | quote }}",
    "cat <<EOF\n{{ p | quote }}\nEOF",
    "echo `echo {{ p | quote }}`",
    'echo "$(echo "{{ p | quote }}")"',
    'echo "${x:-"{{ p | quote }}"}"',
    "echo $'it\\'s' {{ p | quote }}",
    "# don't\necho '{{ p | quote }}'",
    "echo \\'{{ p | quote }}\\' '{{ p | quote }}'",
    "{{ '\"' }}{{ p | quote }}{{ '\"' }}",
)
REGISTRY = Registry.load(())
TEXT = check_parameters({"p": {"type": "string"}})


def check(operation: str, data: dict[str, Any], parameters: dict[str, Any] = TEXT) -> None:
    check_templates(REGISTRY.get(operation).code, data, parameters, "operation.data")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("script", ACCEPTED)
def test_a_quoted_word_arrives_as_it_is(script: str, value: str) -> None:
    check("command.shell.execute", {"command": script})
    line = render({"command": script}, {"p": value}, "data")["command"]
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout == f"<{value.strip() if 'trim' in script else value}>"


@pytest.mark.parametrize("script", REFUSED)
@pytest.mark.parametrize(
    ("operation", "field"),
    [("command.shell.execute", "command"), ("script.shell.execute", "script"), ("entrypoint.run", "entrypoint")],
)
def test_a_value_that_would_become_shell_code(operation: str, field: str, script: str) -> None:
    with pytest.raises(InvalidInput, match="would become shell code") as raised:
        check(operation, {field: script})
    assert raised.value.details is not None
    assert list(raised.value.details) == [f"operation.data.{field}"]


@pytest.mark.parametrize("name", ["cmd", "_raw_params"])
def test_a_value_in_the_command_of_an_ansible_module(name: str) -> None:
    with pytest.raises(InvalidInput, match="would become shell code") as raised:
        check("ansible.module", {"module": "shell", "args": {name: "echo {{ p }}"}})
    assert list(raised.value.details or {}) == [f"operation.data.args.{name}"]
    check("ansible.module", {"module": "shell", "args": {name: "echo {{ p | quote }}", "chdir": "{{ p }}"}})


@pytest.mark.parametrize(
    ("operation", "data"),
    [
        ("script.python.execute", {"script": "print('{{ p }}')"}),
        ("script.python.execute", {"script": "print({{ p | quote }})"}),
        ("script.shell.execute", {"script": "#!/usr/bin/perl\nprint {{ p | quote }}"}),
        ("script.shell.execute", {"script": "#!/usr/bin/env python3\nprint({{ p | quote }})"}),
        ("script.shell.execute", {"script": "\ufeff#!/usr/bin/env python3\r\nprint({{ p | quote }})\r\n"}),
        ("script.shell.execute", {"script": "{{ p }}"}),
        ("aggregation.run", {"sql": "SELECT '{{ p }}'"}),
        ("python.call", {"function": "{{ p }}"}),
    ],
)
def test_a_value_that_would_become_other_code(operation: str, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="would become"):
        check(operation, data)


@pytest.mark.parametrize(
    "schema",
    [{"type": "integer"}, {"type": "number"}, {"type": "boolean"}, {"enum": ["stable", "testing"]}],
)
def test_values_whose_characters_are_known_need_no_quotes(schema: dict[str, Any]) -> None:
    parameters = check_parameters({"p": schema})
    check("command.shell.execute", {"command": 'echo "{{ p }}"'}, parameters)
    check("script.python.execute", {"script": "print({{ p }})"}, parameters)


def test_shell_scripts_by_their_first_line() -> None:
    for first in ("#!/bin/sh", "#!/bin/bash -e", "#! /usr/bin/env bash", "\ufeff#!/bin/sh\r"):
        check("script.shell.execute", {"script": f"{first}\necho {{{{ p | quote }}}}"})


def test_data_that_is_no_code_needs_no_quotes() -> None:
    check("script.shell.execute", {"script": 'echo "$P"', "env": {"P": "{{ p }}"}, "args": ["-v{{ p }}"]})
    check("command.exec.execute", {"argv": ["echo", "{{ p }}"]})


def test_a_parameter_that_is_not_declared() -> None:
    with pytest.raises(InvalidInput, match="'q' is not declared in parameters; declared are p"):
        check("command.exec.execute", {"argv": ["{{ q }}"]})


@pytest.mark.parametrize("text", ["Bearer {{ s }}", "{{ s | upper }}", "{{ s }} "])
def test_a_secret_is_a_whole_value(text: str) -> None:
    parameters = check_parameters({"s": {"secret": True}})
    check("command.exec.execute", {"env": {"A": "{{ s }}"}, "argv": ["a"]}, parameters)
    with pytest.raises(InvalidInput, match="is a secret: it must be the whole value"):
        check("command.exec.execute", {"env": {"A": text}, "argv": ["a"]}, parameters)


def test_too_many_expressions() -> None:
    with pytest.raises(InvalidInput, match="At most 1000 expressions, not 1001"):
        check("command.exec.execute", {"argv": ["{{ p }}"] * 1001})


def test_targets() -> None:
    parameters = check_parameters({"h": {"format": "hosts"}, "t": {"format": "target"}, "p": {}})
    assert target_parameter("{{ h }}", parameters) == "h"
    assert target_parameter("{{ t }}", parameters) == "t"
    assert target_parameter("group:web", parameters) is None
    for target in ("{{ p }}", "{{ h }} or web1", "{{ nobody }}", "{{ h | join(',') }}", "{{ 'web1' }}", "{{ h"):
        with pytest.raises(InvalidInput, match="target_hostname: "):
            target_parameter(target, parameters)


@pytest.mark.parametrize("piece", ["'' ", '"" ', "aaa ", '"<', "\\a", "# \n", "$a"])
def test_a_long_script_takes_little_work(piece: str) -> None:
    script = piece * (250_000 // len(piece))
    began = time.thread_time()
    ShellPosition().feed(script)
    assert time.thread_time() - began < 5  # half a second; with work for each pair of characters, minutes


def test_what_is_unclear_stays_so() -> None:
    position = ShellPosition()
    position.feed('echo "$(')
    position.feed('true)"\n')
    assert position.fault == "after $(, where quoting is not enough"
