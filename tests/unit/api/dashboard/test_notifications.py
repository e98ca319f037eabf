"""The pages of notification rules, and their buttons."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from jobqueue.ledger.notifications import Settlement
from jobqueue.model.notification import Channel, DeadLetter, Delivery, EventFilter, NotificationRule
from jobqueue.model.principal import Principal
from jobqueue.model.schedule import Owner, Pause
from jobqueue.services.notifications.messages import check_message
from tests.unit.api.dashboard.conftest import Page, Send
from tests.unit.api.dashboard.test_pages import EVIL
from tests.unit.api.fakes import FakeServices

AT = "/ui/notifications/on-call"
AUDITOR = ("notification:read",)


@pytest.fixture
def rule(services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> NotificationRule:
    """A rule with a delivery that failed and a dead letter."""
    secret = "whsec_" + base64.b64encode(bytes(32)).decode()
    monkeypatch.setattr(services.channels._secrets, "_environ", {"JOBQUEUE_SECRET_HOOK": secret})
    draft = NotificationRule(
        *(
            "on-call",
            "",
            "",
            ("job.failed", "rollout.*"),
            Channel("webhook", "https://hooks.example.org/T0P", "", "hook"),
        ),
        *(Owner("", "", ""), EventFilter(hosts=("web1",), tags={"stage": "prod"}), EVIL, 300_000_000),
    )
    view, _ = services.notifications.put(draft, Principal("alice", frozenset({"*"})))
    letter = DeadLetter(check_message(view.rule, 1), 1_800_000_000_000_000, EVIL)
    delivery = Delivery(1_800_000_000_000_000, "dead", letter.message.id, "job.failed", 3, EVIL)
    cursor = view.progress.cursor
    settlement = Settlement(cursor, 2, 1_800_000_000_000_000, 1, EVIL, delivery, letter)
    assert services.ledger.notifications.settle("on-call", cursor, settlement) == 0
    return view.rule


def test_list(page: Page, rule: NotificationRule) -> None:
    row = page("/ui/notifications").find(id="row-on-call")
    assert row is not None
    shown = " ".join(row.get_text(" ").split())
    for words in ("on-call", "job.failed, rollout.*", "webhook to hooks.example.org", "dead", "alice"):
        assert words in shown
    assert "T0P" not in shown


def test_an_empty_list_says_how_to_store_one(page: Page) -> None:
    assert "jobqueue notification set" in page("/ui/notifications").get_text()


def test_one(page: Page, rule: NotificationRule) -> None:
    shown = page(AT)
    text = shown.get_text()
    assert not shown.find_all("script", string=lambda text: "evil" in (text or ""))
    for words in (EVIL, "stage=prod", "web1", "5m", "This is a test of the notification rule on-call."):
        assert words in text
    assert "T0P" not in text
    assert "nowhere" in page("/ui/notifications/nowhere", 404).get_text()


def test_a_pause_is_shown(page: Page, services: FakeServices, rule: NotificationRule) -> None:
    paused = replace(rule, serial="s", pause=Pause("the receiver answered 410 Gone", "jobqueue", 1))
    services.ledger.notifications.put(paused, rule.serial)
    assert "the receiver answered 410 Gone" in page(AT).get_text()
    assert "paused" in page("/ui/notifications").get_text()


@pytest.mark.parametrize("verb", ["test", "resend"])
def test_what_cannot_be_sent_is_said(send: Send, rule: NotificationRule, verb: str) -> None:
    answer = send(AT, f"{AT}/{verb}")  # the fakes resolve all hosts to an address of documentation, which is refused
    assert answer.status_code == 200
    assert "resolves to an internal address" in answer.get_data(as_text=True)


def test_sending(send: Send, services: FakeServices, rule: NotificationRule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.channels, "send", lambda _channel, _message: None)
    assert "1 delivered." in send(AT, f"{AT}/test").get_data(as_text=True)
    (letter,) = services.ledger.notifications.dead_letters("on-call")
    assert send(AT, f"{AT}/resend", id="other").status_code == 404
    assert "1 delivered." in send(AT, f"{AT}/resend", id=letter.message.id).get_data(as_text=True)
    assert services.ledger.notifications.dead_letters("on-call") == []


def test_delete(send: Send, services: FakeServices, rule: NotificationRule) -> None:
    answer = send(AT, f"{AT}/delete")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ui/notifications?done=deleted")
    assert services.notifications.page("", 10)[1] == 0
