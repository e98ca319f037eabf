"""Notification rules: the list, one of them, and its buttons."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import flask
from flask import Response

from api import audit
from api.context import principal, services
from api.dashboard import pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from jobqueue.errors import PermissionDenied
from jobqueue.model.durations import show_duration
from jobqueue.model.notification import Channel, DeadLetter, EventFilter, RuleView
from jobqueue.model.record_name import MAX_NAME
from jobqueue.services.notifications.manager import DeliveryResult

_LIMIT = 50
_SEEN_OTHER = 303
_DELETED = "The notification rule was deleted."


@blueprint.get(f"{PREFIX}/notifications")
def notifications() -> Response:
    """The rules by name, with their last delivery."""
    after = query.text("after", MAX_NAME)
    views, total, following = services().notifications.page(after, _LIMIT)
    return pages.render(
        "notifications.html",
        views=views,
        total=total,
        receiver_of=receiver_of,
        done=_DELETED if query.text("done") == "deleted" else "",
        newer=query.with_changes(after=None, done=None) if after else "",
        older=query.with_changes(after=following, done=None) if following else "",
    )


@blueprint.get(f"{PREFIX}/notifications/<name>")
def notification(name: str) -> Response:
    """One rule, its last deliveries and its dead letters."""
    return _detail_page(services().notifications.get(name))


@blueprint.post(f"{PREFIX}/notifications/<name>/test")
def test_notification(name: str) -> Response:
    """Send a test message."""
    return _sent(name, lambda: services().notifications.test(name))


@blueprint.post(f"{PREFIX}/notifications/<name>/resend")
def resend_notification(name: str) -> Response:
    """Send dead letters again: all, or the one that the form names."""
    message_id = posted.form().get("id", "")[:MAX_NAME] or None
    return _sent(name, lambda: services().notifications.resend(name, message_id))


@blueprint.post(f"{PREFIX}/notifications/<name>/delete")
def delete_notification(name: str) -> Response:
    """Delete it."""
    services().notifications.remove(name)
    return flask.make_response(flask.redirect(pages.link(f"{PREFIX}/notifications?done=deleted"), _SEEN_OTHER))


def receiver_of(channel: Channel) -> str:
    """Where messages go, in a few words: the host of an address, or the name of the secret that holds it."""
    host = f"secret {channel.url_secret}" if channel.url_secret else urlsplit(channel.url).hostname
    return f"{channel.type} to {host}"


def _sent(name: str, send: Callable[[], DeliveryResult]) -> Response:
    sent = send()
    audit.note(notification=name, sent=sent.sent, left=sent.left)
    done = f"{sent.sent} delivered." if sent.sent or not sent.error else ""
    if not principal().may("notification:read"):
        return flask.make_response(flask.redirect(pages.link("/"), _SEEN_OTHER))
    return _detail_page(services().notifications.get(name), done, sent.error)


def _letters(name: str) -> tuple[list[DeadLetter], str]:
    """The dead letters, newest first, and why they are not shown."""
    try:
        return services().notifications.dead_letters(name, principal())[::-1], ""
    except PermissionDenied as error:
        return [], error.message


def _filters(event_filter: EventFilter) -> list[tuple[str, str]]:
    fields = (
        *(
            ("Hosts", event_filter.hosts),
            ("Target", (event_filter.target,) if event_filter.target else ()),
            ("Operations", event_filter.operations),
            ("Saved jobs", event_filter.saved),
        ),
        *(
            ("Submitters", event_filter.submitters),
            ("Tags", tuple(f"{key}={text}" for key, text in event_filter.tags.items())),
        ),
        *(
            ("Schedules", event_filter.schedules),
            ("Workflows", event_filter.workflows),
            ("Alerts", event_filter.alerts),
        ),
    )
    return [(name, ", ".join(values)) for name, values in fields if values]


def _detail_page(view: RuleView, done: str = "", problem: str = "") -> Response:
    letters, hidden = _letters(view.rule.name)
    return pages.render(
        "notification.html",
        view=view,
        rule=view.rule,
        progress=view.progress,
        receiver=receiver_of(view.rule.channel),
        filters=_filters(view.rule.filter),
        letters=letters,
        hidden=hidden,
        span=show_duration,
        done=done,
        problem=problem,
    )
