"""Which keys a role may touch: every kind is decided explicitly, and an agent's patterns fit its own keys only."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from jobqueue.cli.main import main
from jobqueue.errors import InvalidTarget
from jobqueue.ledger import acl
from jobqueue.ledger.keys import KINDS, Keys

KEYS = Keys("q:")


def selectors(hostname: str) -> list[str]:
    return [rule for rule in acl.agent_user(KEYS, hostname).rules if rule.startswith("(")]


def fits(hostname: str, key: str, command: str) -> bool:
    """Whether one of the rules lets an agent use ``command`` on ``key``; patterns have ``*`` and one class only."""
    for rule in selectors(hostname):
        words = rule.strip("()").split()
        patterns = [re.escape(word[1:]).replace(r"\*", ".*") for word in words if word.startswith("~")]
        patterns = [one.replace(re.escape("[^-.0-9A-Z_a-z]"), "[^-.0-9A-Z_a-z]") for one in patterns]
        if f"+{command}" in words and any(re.fullmatch(one, key, re.DOTALL) for one in patterns):
            return True
    return False


def test_every_kind_of_key_is_given_to_a_role() -> None:
    assert acl.ROLES.keys() == KINDS.keys(), "say in jobqueue/ledger/acl.py who works on the new kind of key"


@pytest.mark.parametrize("other", ["web1-b", "web10", "web1.b", "web1_b", "eb1", "web1-b\x06\x163", "web1xx3"])
def test_no_other_agents_keys(other: str) -> None:
    assert not fits("web1", f"q:exec:{other}:id", "hget")
    assert not fits("web1", f"q:out:{other}:id", "set")
    assert not fits("web1", f"q:fetched:{other}:id", "hset")
    assert not fits("web1", f"q:queue:{other}", "brpop")
    assert not fits("web1", f"q:waiting:{other}", "zrem")
    assert not fits("web1", f"q:agent:{other}", "hset")


@pytest.mark.parametrize("slot", ["web1", "_any"])
def test_its_own_keys(slot: str) -> None:
    assert fits("web1", f"q:exec:{slot}:id", "rename")
    assert fits("web1", f"q:queue:{slot}", "brpop")
    assert fits("web1", f"q:queue:{slot}\x06\x163", "brpop")
    assert fits("web1", f"q:waiting:{slot}", "zrem")


def test_nothing_that_lists() -> None:
    words = {word for rule in acl.agent_user(KEYS, "web1").rules for word in rule.strip("()").split()}
    lists = {"keys", "scan", "zrange", "zscan", "smembers", "hgetall", "lrange", "xrange", "eval", "script", "lpush"}
    # lrange: the hosts of a broadcast, whose job's id one must know
    assert {word[1:] for word in words if word.startswith("+")} & lists == {"lrange", "lpush"}
    assert fits("web1", "q:noted:web1", "lpush")
    assert not fits("web1", "q:alerts", "lpush")
    assert not fits("web1", "q:queue:web1", "lpush")
    assert [rule for rule in selectors("web1") if "+lrange" in rule] == ["(~q:slots:* +lrange +type)"]


@pytest.mark.parametrize("hostname", ["a b", "a*", "_any", "", "a\n", "a:b", "~*"])
def test_a_hostname_cannot_bring_rules(hostname: str) -> None:
    with pytest.raises(InvalidTarget):
        acl.agent_user(KEYS, hostname)


def test_the_command_prints_no_password_among_the_users() -> None:
    done = CliRunner().invoke(main, ["redis", "acl", "--agent", "web1", "--agent", "web2", "--commands"])
    assert done.exit_code == 0, done.output
    lines, messages = done.stdout.splitlines(), done.stderr.splitlines()
    assert [line.split()[:3] for line in lines] == [["ACL", "SETUSER", f"jobqueue-agent-web{n}"] for n in (1, 2)]
    passwords = [line.partition(": ")[2] for line in messages]
    assert len(set(passwords)) == 2
    assert not any(password in done.stdout for password in passwords)
