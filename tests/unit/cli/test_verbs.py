"""The same verb for the same act on every noun, as the head of ``docs/commands.md`` says; old names still work."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from docs.generate.commands import commands
from jobqueue.cli.main import main

#: The word with which the help of a verb begins, where the verb has one meaning for all nouns.
BEGINNINGS = {"list": "List ", "show": "Show ", "create": "Create ", "delete": "Delete ", "get": "Download "}
#: Words of other tools for these verbs.
OTHER_WORDS = {"add", "remove", "rm", "del", "new", "update", "replace", "describe", "view", "info", "read", "ls"}
OLD_NAMES = [
    ("job", "get", "show"),
    ("agent", "get", "show"),
    ("agent", "remove", "delete"),
    ("context", "add", "create"),
    ("context", "remove", "delete"),
]


def verbs() -> dict[str, dict[str, str]]:
    """The help of each verb, by its noun."""
    of_nouns: dict[str, dict[str, str]] = {}
    for name, command in commands():
        noun, _, verb = name.partition(" ")
        if verb:
            of_nouns.setdefault(noun, {})[verb] = command.help or ""
    return of_nouns


@pytest.mark.parametrize(("noun", "offered"), verbs().items(), ids=verbs())
def test_verbs_mean_the_same_for_every_noun(noun: str, offered: dict[str, str]) -> None:
    assert not offered.keys() & OTHER_WORDS
    for verb, beginning in BEGINNINGS.items():
        assert offered.get(verb, beginning).startswith(beginning), (noun, verb)
    assert not {"create", "set"} <= offered.keys(), "two verbs that store a record"
    assert "replace" in offered.get("set", "replace"), "set does not say that it replaces"
    if offered.keys() & {"show", "create", "set", "delete"}:
        assert "list" in offered
    if noun != "file":
        assert not offered.keys() & {"get", "put"}, "get and put move the content of files"


@pytest.mark.parametrize(("noun", "old", "new"), OLD_NAMES)
def test_old_names_work_and_are_not_shown(noun: str, old: str, new: str) -> None:
    def text(*arguments: str) -> str:
        result = CliRunner().invoke(main, [noun, *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert text(old, "--help") == text(new, "--help")
    names = {line.split()[0] for line in text("--help").splitlines() if line.strip()}
    assert new in names
    assert old not in names
