"""/notification: rules by which events are reported to people and programs."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import list_cursor
from api.native.comparison import comparison
from api.native.error_schemas import ErrorAnswer
from api.native.notification_mapping import declared_document, letter_document, rule_document, rule_of
from api.native.notification_schemas import (
    DeadLetterListAnswer,
    NotificationAnswer,
    NotificationListAnswer,
    NotificationPutAnswer,
    NotificationPutQuery,
    NotificationQuery,
    NotificationRequest,
    ResendRequest,
    SentAnswer,
)
from api.responses import json_response
from jobqueue.model.notification import Cursor, NotificationRule, Progress, RuleView
from jobqueue.services.notifications.manager import DeliveryResult

blueprint = Blueprint("notification", __name__, description="Notification rules: report events to people and programs.")

_NAME = {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}
_LIST = "notification"
_CREATED = 201
_unknown = blueprint.alt_response(404, schema=ErrorAnswer, description="No notification rule has this name.")
_changed = blueprint.alt_response(409, schema=ErrorAnswer, description="The rule was changed concurrently.")


@blueprint.route("/notification", methods=["GET"])
@blueprint.arguments(NotificationQuery, location="query")
@blueprint.response(200, NotificationListAnswer)
@blueprint.doc(operationId="listNotifications")
def list_notifications(loaded: dict[str, Any]) -> Response:
    """List notification rules by name, each with its last delivery"""
    after = list_cursor.after(loaded, _LIST)
    views, total, following = services().notifications.page(after, loaded["limit"])
    cursor = list_cursor.following(following, _LIST)
    return json_response({"notifications": list(map(rule_document, views)), "total": total, "next_cursor": cursor})


@blueprint.route("/notification/<name>", methods=["GET"], parameters=[_NAME])
@blueprint.response(200, NotificationAnswer)
@_unknown
@blueprint.doc(operationId="getNotification")
def get_notification(name: str) -> Response:
    """Get a notification rule and its last deliveries"""
    return json_response(rule_document(services().notifications.get(name)))


@blueprint.route("/notification/<name>", methods=["PUT"], parameters=[_NAME])
@blueprint.arguments(NotificationPutQuery, location="query")
@blueprint.arguments(NotificationRequest)
@blueprint.response(200, NotificationPutAnswer)
@blueprint.alt_response(201, schema=NotificationAnswer, description="The rule is new.")
@_changed
@blueprint.doc(operationId="putNotification")
def put_notification(loaded: dict[str, Any], query: dict[str, Any], name: str) -> Response:
    """Store a notification rule under a name, or replace it

    The caller becomes its owner, and needs the permissions to read about its events. A new rule begins with the events
    from now on; one that is replaced continues with those that it has not reported.
    """
    rule = rule_of(name, loaded)
    if query["dry_run"]:
        return _compared(rule)
    view, is_new = services().notifications.put(rule, principal())
    return json_response(rule_document(view), _CREATED if is_new else 200)


@blueprint.route("/notification/<name>", methods=["DELETE"], parameters=[_NAME])
@blueprint.response(204)
@_unknown
@_changed
@blueprint.doc(operationId="deleteNotification")
def delete_notification(name: str) -> Response:
    """Delete a notification rule, with its dead letters"""
    services().notifications.remove(name)
    return Response(status=204)


@blueprint.route("/notification/<name>/test", methods=["POST"], parameters=[_NAME])
@blueprint.response(200, SentAnswer)
@_unknown
@blueprint.doc(operationId="testNotification")
def test_notification(name: str) -> Response:
    """Send a test message through a rule's channel

    It is sent once, at once, also in quiet hours and during a pause.
    """
    return _sent(services().notifications.test(name))


@blueprint.route("/notification/<name>/dead-letters", methods=["GET"], parameters=[_NAME])
@blueprint.response(200, DeadLetterListAnswer)
@_unknown
@blueprint.doc(operationId="listDeadLetters")
def list_dead_letters(name: str) -> Response:
    """List the messages of a rule that were given up

    The caller needs the permissions to read about the rule's events.
    """
    letters = services().notifications.dead_letters(name, principal())
    return json_response({"dead_letters": list(map(letter_document, letters))})


@blueprint.route("/notification/<name>/resend", methods=["POST"], parameters=[_NAME])
@blueprint.arguments(ResendRequest, required=False)
@blueprint.response(200, SentAnswer)
@_unknown
@blueprint.doc(operationId="resendDeadLetters")
def resend_dead_letters(loaded: dict[str, Any], name: str) -> Response:
    """Send dead letters again

    They are sent with their ids, oldest first, up to the first that fails, and at most 20; those that are delivered are
    removed.
    """
    return _sent(services().notifications.resend(name, loaded.get("id")))


def _sent(sent: DeliveryResult) -> Response:
    audit.note(sent=sent.sent, left=sent.left)
    return json_response({"sent": sent.sent, "left": sent.left, "error": sent.error})


def _compared(rule: NotificationRule) -> Response:
    """What storing the rule would change."""
    audit.note(notification=rule.name, dry_run=1)
    before, after = services().notifications.compare(rule, principal())
    compared = comparison(None if before is None else declared_document(before), declared_document(after))
    document = rule_document(RuleView(after, Progress(Cursor("", ""))))
    return json_response({**document, **compared})
