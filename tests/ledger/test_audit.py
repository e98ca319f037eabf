"""The audit trail under attack by a writer in Redis who cannot read the API's secret."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis

from jobqueue.ledger import audit as module
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.ledger.seal import Seal
from jobqueue.model.audit import AuditEntry

KEYS = Keys("jobqueue:")
ENTRY = AuditEntry(
    "alice", "user", "10.0.0.1", "POST", "/job", 201, "done", "r1", details={"operation": "node.hostname.get"}
)


def process(client: redis.Redis, secret: str = "s" * 32, keep: int = 1000) -> Audit:
    """The audit trail as one process of the API has it."""
    return Audit(client, KEYS, Scripts(client, KEYS), Seal(secret), keep=keep)


@pytest.fixture
def audit(client: redis.Redis) -> Audit:
    return process(client)


def write(audit: Audit, count: int, who: str = "alice") -> None:
    for number in range(count):
        audit.append([replace(ENTRY, who=who, request_id=f"{who}-{number}")])


def test_an_empty_trail_is_whole(audit: Audit) -> None:
    found = audit.verify()
    assert (found.valid, found.entries, found.first, found.last) == (True, 0, 0, 0)
    assert audit.newest(10) == []
    assert audit.total() == 0


def test_what_is_written_is_read(audit: Audit) -> None:
    assert audit.append([ENTRY, replace(ENTRY, who="bob")]) == 2
    assert [entry.content for entry in audit.after(0, 10)] == [ENTRY, replace(ENTRY, who="bob")]
    assert [entry.number for entry in audit.newest(10)] == [2, 1]
    assert audit.newest(10)[0].before == audit.newest(10)[1].link
    assert audit.verify().valid


def test_several_processes_make_one_chain(client: redis.Redis) -> None:
    first, second = process(client), process(client)
    for number in range(30):
        (first if number % 3 else second).append([replace(ENTRY, request_id=str(number))])
    for each in (first, second, process(client)):
        found = each.verify()
        assert (found.problems, found.entries, found.first, found.last) == ((), 30, 1, 30)


def test_pages_and_names(audit: Audit) -> None:
    for number in range(25):
        write(audit, 1, who=f"u{number % 5}")
    assert [entry.number for entry in audit.newest(3, before=11)] == [10, 9, 8]
    assert [entry.number for entry in audit.after(22, 10)] == [23, 24, 25]
    assert [entry.number for entry in audit.newest(10, who="u3")] == [24, 19, 14, 9, 4]
    assert audit.newest(10, who="nobody") == []


def test_it_is_bounded(client: redis.Redis) -> None:
    audit = process(client, keep=200)
    audit.append([ENTRY] * 1500)
    found = audit.verify()
    assert found.problems == ()
    assert found.last == 1500
    assert 200 <= found.entries < 500
    assert found.first == 1501 - found.entries


def _forge(client: redis.Redis, change: Callable[[list[list[Any]]], None], *, links: bool = True) -> None:
    """Rewrite the whole trail; with ``links`` computed anew, as an intruder can who knows how they are made."""
    name, head = KEYS.kind("audit"), KEYS.kind("audit_head")
    rows = [[entry, dict(fields)] for entry, fields in client.xrange(name)]
    change(rows)
    client.delete(name)
    link = ""
    for number, (_, fields) in enumerate(rows, start=1):
        if links:
            fields["before"] = link
            link = hashlib.sha1(f"{link}|{number}|{fields['seal']}".encode(), usedforsecurity=False).hexdigest()
            fields["link"] = link
        client.xadd(name, fields, id=f"0-{number}")
    if rows and links:
        client.hset(head, mapping={"number": len(rows), "link": link})


def _edit(rows: list[list[Any]]) -> None:
    rows[4][1]["entry"] = rows[4][1]["entry"].replace("alice", "malin")


def _add(rows: list[list[Any]]) -> None:
    rows.insert(5, [None, dict(rows[4][1])])


def _own(rows: list[list[Any]]) -> None:
    text = json.dumps({**json.loads(rows[4][1]["entry"]), "who": "mallory"})
    rows.insert(5, [None, {"seal": Seal("x" * 32).mark("audit", text), "entry": text}])


def _nonsense(rows: list[list[Any]]) -> None:
    rows[4][1]["entry"] = "{"


def _remove(rows: list[list[Any]]) -> None:
    del rows[4]


def _swap(rows: list[list[Any]]) -> None:
    rows[4], rows[5] = rows[5], rows[4]


def _oldest(rows: list[list[Any]]) -> None:
    del rows[:4]


def _seal_of_another(rows: list[list[Any]]) -> None:
    rows[4][1]["seal"] = rows[5][1]["seal"]


FORGERIES = [_edit, _add, _own, _nonsense, _remove, _swap, _oldest, _seal_of_another]


@pytest.mark.parametrize("links", [False, True], ids=["as it was", "links made anew"])
@pytest.mark.parametrize("change", FORGERIES, ids=[change.__name__ for change in FORGERIES])
def test_a_change_shows(client: redis.Redis, change: Callable[[list[list[Any]]], None], links: bool) -> None:
    """To any process, also to one that was started afterwards."""
    write(process(client), 10)
    _forge(client, change, links=links)
    found = process(client).verify()
    assert not found.valid, change.__name__
    assert 1 <= len(found.problems) <= 20


def test_the_newest_cannot_be_cut_off_before_who_wrote_them(client: redis.Redis) -> None:
    audit = process(client)
    write(audit, 10)

    def cut(rows: list[list[Any]]) -> None:
        del rows[7:]

    _forge(client, cut)
    assert any("Entry 10" in problem for problem in audit.verify().problems)
    # nor unseen by the others, once that process has written again
    write(audit, 1)
    assert not process(client).verify().valid


def test_an_emptied_trail_shows(client: redis.Redis) -> None:
    audit = process(client)
    write(audit, 3)
    client.delete(KEYS.kind("audit"), KEYS.kind("audit_head"))
    assert not audit.verify().valid
    write(audit, 3)
    assert not audit.verify().valid


def test_cut_from_the_front_below_what_is_kept(client: redis.Redis) -> None:
    audit = process(client, keep=100)
    write(audit, 10)
    client.xtrim(KEYS.kind("audit"), maxlen=5, approximate=False)
    assert any("oldest 5 entries are missing" in problem for problem in audit.verify().problems)


def test_another_secret_shows(client: redis.Redis) -> None:
    write(process(client), 3)
    assert len(process(client, "t" * 32).verify().problems) == 3


def test_entries_of_other_writers_are_still_shown(client: redis.Redis, audit: Audit) -> None:
    write(audit, 1)
    client.xadd(KEYS.kind("audit"), {"nonsense": "1"}, id="0-2")
    client.xadd(KEYS.kind("audit"), {"entry": json.dumps({"at": 1, "seen": 1, "who": "x"}), "seal": "é"}, id="0-3")
    assert [entry.content.who for entry in audit.newest(5)] == ["?", "?", "alice"]
    assert not audit.verify().valid


POISON = "18446744073709551615-18446744073709551614"
LAST = f"0-{(1 << 64) - 1}"


def poison_by_id(client: redis.Redis) -> None:
    client.xadd(KEYS.kind("audit"), {"x": "y"}, id=POISON)


def poison_by_a_deleted_id(client: redis.Redis) -> None:
    poison_by_id(client)
    client.xdel(KEYS.kind("audit"), POISON)


def poison_by_number(client: redis.Redis) -> None:
    client.xadd(KEYS.kind("audit"), {"x": "y"}, id=LAST)


def poison_by_kind(client: redis.Redis) -> None:
    client.delete(KEYS.kind("audit"))
    client.set(KEYS.kind("audit"), "no stream")


def poison_the_head(client: redis.Redis) -> None:
    client.delete(KEYS.kind("audit_head"))
    client.set(KEYS.kind("audit_head"), "no hash")


def put_the_head_back(client: redis.Redis) -> None:
    client.hset(KEYS.kind("audit_head"), mapping={"number": "1", "link": "x"})


def begin_a_repair(client: redis.Redis) -> None:
    """As by a process that died in the middle, or by an attacker."""
    client.rename(KEYS.kind("audit"), KEYS.kind("audit_spoiled"))


Poison = Callable[[redis.Redis], None]
POISONS: tuple[Poison, ...] = (
    poison_by_id,
    poison_by_a_deleted_id,
    poison_by_number,
    poison_by_kind,
    poison_the_head,
    put_the_head_back,
    begin_a_repair,
)


@pytest.mark.parametrize("poison", POISONS)
def test_a_trail_that_cannot_be_written_goes_on_behind_a_break(client: redis.Redis, poison: Poison) -> None:
    audit = process(client)
    write(audit, 30)
    poison(client)
    assert audit.trouble()
    assert not audit.verify().valid
    other = process(client)  # the next writer
    number = other.append([replace(ENTRY, who="bob")])
    assert number == 32
    assert other.newest(1)[0].content.who == "bob"
    mark = other.newest(1, before=number)[0].content
    assert (mark.result, mark.details["after"]) == ("broken", 30)
    assert not other.trouble()
    for each in (audit, other, process(client)):
        problems = each.verify().problems
        assert any("was broken after entry 30" in problem for problem in problems), problems
        if poison is not poison_by_kind:  # which took the entries with it
            assert len(problems) == 1
            assert each.verify().entries == 32
    write(audit, 3)
    assert audit.newest(1)[0].number == 35


def test_a_long_trail_is_repaired_in_steps(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_MOVED", 7)
    audit = process(client)
    write(audit, 50)
    before = [(entry.number, entry.text) for entry in audit.after(0, 100)]
    poison_by_id(client)
    write(audit, 1)
    assert [(entry.number, entry.text) for entry in audit.after(0, 50)] == before
    assert audit.verify().entries == 52
    assert not client.exists(KEYS.kind("audit_spoiled"))


def test_two_processes_repair_it_once(client: redis.Redis) -> None:
    first, second = process(client), process(client)
    write(first, 5)
    poison_by_id(client)
    assert first.repair()
    assert second.repair()
    assert [entry.content.result for entry in first.after(5, 10)] == ["broken"]


def test_a_repaired_break_is_reported_until_it_has_left_the_trail(client: redis.Redis) -> None:
    audit = process(client)
    write(audit, 5)
    assert not audit.is_broken()
    poison_by_id(client)
    assert audit.trouble()
    write(audit, 1)
    assert not audit.trouble()
    assert audit.is_broken()
    assert process(client).is_broken()
    client.xtrim(KEYS.kind("audit"), minid="0-7", approximate=False)
    assert not audit.is_broken()


@pytest.mark.parametrize("value", ["x", "-1", "1", "999", "9" * 400, ""])
def test_an_entry_written_by_hand_is_not_a_break(client: redis.Redis, value: str) -> None:
    audit = process(client)
    write(audit, 2)
    client.hset(KEYS.kind("audit_head"), "broken", value)
    assert not audit.is_broken()


def test_a_break_that_the_api_did_not_write_is_no_break(client: redis.Redis) -> None:
    audit = process(client)
    write(audit, 2)
    process(client, secret="x" * 32).append(
        [replace(ENTRY, result="broken", details={"after": 2, "reason": "made up"})]
    )
    assert any("was not written by this API" in problem for problem in audit.verify().problems)


@pytest.mark.parametrize("who", ["carol", 'c"a', "Zoë", "c\\d"])
def test_the_entries_of_one_principal(audit: Audit, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    """Any name, in several steps; never entries of other principals, whatever these mention."""
    monkeypatch.setattr(module, "_SCANNED_STEP", 4)
    write(audit, 3, who)
    write(audit, 5, "bob")
    audit.append([replace(ENTRY, who="mallory", details={"who": who})])
    write(audit, 2, who)
    entries = audit.newest(10, who=who)
    assert [entry.number for entry in entries] == [11, 10, 3, 2, 1]
    assert {entry.content.who for entry in entries} == {who}
    assert [entry.number for entry in audit.newest(2, who=who)] == [11, 10]
    assert [entry.number for entry in audit.newest(10, 3, who)] == [2, 1]
    assert audit.newest(10, who="nobody") == []


def test_a_search_leaves_the_entries_of_others_in_redis(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    """To decode all of them would take half a second."""
    write(audit, 50)
    decoded: list[Any] = []
    monkeypatch.setattr(module, "_entry", lambda name, fields: decoded.append(name))
    assert audit.newest(10, who="nobody") == []
    assert decoded == []
