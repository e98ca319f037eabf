"""The reference in docs is complete: routes, settings, permissions, operations, commands and transitions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest

from api.auth.rules import ALIAS, KNOWN, PUBLIC, RULES
from docs.generate import commands, diagram, operations, pages, permissions, routes, settings
from jobqueue.cli.main import main
from jobqueue.errors import InvalidSettings
from jobqueue.model.role import BUILTIN
from jobqueue.model.states import TRANSITIONS
from jobqueue.settings import Settings, env_name

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*")])


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_what_is_made_from_the_code_is_as_the_code_says() -> None:
    assert [str(path) for path in pages.stale()] == [], "run: make reference"


def test_every_part_is_in_a_page() -> None:
    found = [part for path in (ROOT / "docs").glob("**/*.md") for part in pages.parts_of(path.read_text("utf-8"))]
    assert sorted(found) == sorted(pages.PARTS)


def test_a_part_is_replaced_and_what_is_around_it_kept() -> None:
    before = "# A\n\n<!-- made by make reference: roles -->\nold\n<!-- end of roles -->\n\nmore\n"
    after = pages.fresh(before)
    assert after.startswith("# A\n\n<!-- made by make reference: roles -->\n\n| role | grants |")
    assert after.endswith("<!-- end of roles -->\n\nmore\n")
    assert "old" not in after
    assert pages.fresh(after) == after


def test_every_route_with_its_permission() -> None:
    text = page("routes.md")
    for rule in routes.application().url_map.iter_rules():
        if rule.endpoint.startswith(f"{ALIAS}."):
            assert f" {rule.rule.removeprefix('/api')}`" in text, "the native routes under /api are said to be the same"
        else:
            assert f" {rule.rule}`" in text
    for route in routes.routes():
        assert route.needs, f"{route.endpoint} has no rule"
        start = f"| `{'/'.join(route.methods)} {route.paths[0]}`"
        line = next(line for line in text.splitlines() if line.startswith(start))
        assert line.endswith(f"| {routes.needs(route)} |")
        assert route.summary in line


def test_every_setting_is_described() -> None:
    text = page("settings.md")
    assert [item.name for item in fields(Settings) if f"| `{env_name(item.name)}` |" not in text] == []
    assert settings.undescribed() == [], "describe them in the docstring of Settings"


def test_every_permission() -> None:
    text = page("permissions.md")
    asked = {rule for rule in RULES.values() if rule not in (PUBLIC, KNOWN)}
    asked |= {operation.permission for operation in operations.built_in()}
    asked |= {permission for granted in BUILTIN.values() for permission in granted if permission != "*"}
    assert asked == set(permissions.permissions())
    assert [permission for permission in asked if f"| `{permission}` |" not in text] == []
    assert [role for role in BUILTIN if f"| `{role}` |" not in text] == []


def test_every_operation() -> None:
    text = page("operations.md")
    assert [info.type for info in operations.built_in() if f"| `{info.type}` |" not in text] == []


def all_commands(group: click.Group, name: str = "jobqueue") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for sub in group.list_commands(context):
        command = group.get_command(context, sub)
        assert command is not None
        if isinstance(command, click.Group):
            yield from all_commands(command, f"{name} {sub}")
        else:
            yield f"{name} {sub}", command


@pytest.mark.parametrize(
    ("name", "command"), list(all_commands(main)), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option(name: str, command: click.Command) -> None:
    text = page("commands.md")
    part = re.search(rf"^### {name}\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL)
    assert part, f"{name} is missing"
    options = {option for item in command.params if isinstance(item, click.Option) for option in item.opts}
    shown = {option for option in options if option in part[1]}
    assert options - shown <= {"--url", "--token-file"}
    assert "--url" in text
    assert "--token-file" in text
    assert command.help, f"{name} says nothing of itself"


def test_commands_are_those_of_the_command_line() -> None:
    assert [f"jobqueue {name}" for name, _ in commands.commands()] == [name for name, _ in all_commands(main)]


def test_the_picture_of_the_lifecycle_is_the_table_of_transitions() -> None:
    picture = ET.fromstring((ROOT / "docs" / "images" / "lifecycle.svg").read_text(encoding="utf-8"))  # noqa: S314
    drawn = {str(element.get("data-step")) for element in picture.iter() if element.get("data-step")}
    allowed = {f"{state} {new}" for state, following in TRANSITIONS.items() for new in following}
    assert drawn == allowed
    assert {f"{state} {new}" for state, new in diagram.edges()} == allowed
    named = {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert named >= {str(state) for edge in diagram.edges() for state in edge}


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if path.is_file()], ids=lambda path: str(path.relative_to(ROOT))
)
def test_settings_that_are_named_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"\bJOBQUEUE_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_*])", text))
    assert unknown(named) == []
    known = [env_name(item.name) for item in fields(Settings)]
    families = set(re.findall(r"\b(JOBQUEUE_[A-Z0-9_]+_)\*", text))
    assert [x for x in families if unknown({f"{x}ANY"}) and not any(name.startswith(x) for name in known)] == []


def unknown(names: set[str]) -> list[str]:
    """Which of them the program would refuse."""
    try:
        Settings.from_env({"HOME": "/nonexistent", **dict.fromkeys(names, "")})
    except InvalidSettings as error:
        return sorted(error.details or {})
    return []


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if path.suffix == ".md"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_commands_that_are_named_exist(path: Path) -> None:
    """``jobqueue job lst`` in a page would be found by a reader only."""
    known = {name for name, _ in all_commands(main)}
    groups = {name.rpartition(" ")[0] for name in known}
    text = path.read_text(encoding="utf-8")
    for words in re.findall(r"(?:`|\$ )jobqueue((?: [a-z]+(?:-[a-z]+)*)+)", text):
        parts = words.split()
        assert any(" ".join(["jobqueue", *parts[:count]]) in known | groups for count in (1, 2)), words
        if f"jobqueue {parts[0]}" in groups and len(parts) > 1:
            assert f"jobqueue {parts[0]} {parts[1]}" in known, words
