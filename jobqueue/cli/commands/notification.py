"""``jobqueue notification``: rules that report events to people and programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from jobqueue.cli.candidates import notifications_like
from jobqueue.cli.connection import ClientGroup, connect
from jobqueue.cli.parameters import duration, full_option, json_object, json_option, pair
from jobqueue.cli.schedule_options import blackout_window
from jobqueue.cli.views.notification_view import COLUMNS, LETTERS, letter_row, rule_row, show_rule
from jobqueue.cli.views.output import screen
from jobqueue.cli.views.text import one_line
from jobqueue.model.durations import show_duration

_F = TypeVar("_F", bound=Callable[..., Any])
_EXIT_FAILED = 1
_name = click.argument("name", shell_complete=notifications_like)


def _patterns(name: str, text: str) -> Callable[[_F], _F]:
    return click.option(f"--{name}", f"{name}s", multiple=True, metavar="PATTERN", help=f"{text}; may be repeated.")


@click.group(cls=ClientGroup)
def notification() -> None:
    """Report events to webhooks, mail and chat: failed jobs, stopped rollouts, missed schedules, lost agents."""


@notification.command("set")
@_name
@click.option(
    "--event", "events", multiple=True, metavar="EVENT", help="An event, such as job.failed or job.*; may be repeated."
)
@click.option("--webhook", metavar="URL", help="Send to this address; $NAME: to the one that the secret NAME holds.")
@click.option("--secret", metavar="NAME", help="The secret of the API that signs messages to the webhook.")
@click.option("--apprise", metavar="NAME", help="Send to the service whose Apprise URL is the secret NAME of the API.")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Only jobs on this host; may be repeated.")
@click.option("--target", metavar="TARGET", help="Only jobs on a host that this expression names.")
@_patterns("operation", "Only jobs with this operation")
@click.option("--saved", multiple=True, metavar="PATTERN", help="Only jobs made from this saved job; may be repeated.")
@_patterns("submitter", "Only jobs of this principal")
@click.option("--tag", "tags", type=pair, multiple=True, metavar="KEY=PATTERN", help="Only jobs with this tag.")
@_patterns("schedule", "Only this schedule")
@_patterns("workflow", "Only runs of this workflow")
@_patterns("alert", "Only this kind of alert")
@click.option("--group", type=duration, metavar="DURATION", help="Send events within this time as one message.")
@click.option(
    "--quiet-hours", type=blackout_window, multiple=True, metavar="CRON/DURATION", help="Send nothing in this window."
)
@click.option("--time-zone", metavar="ZONE", help="Time zone of the quiet hours, such as Europe/Berlin; default UTC.")
@click.option("--description", help="Description of the rule.")
@click.option("--paused", metavar="REASON", help="Store it paused.")
@click.option("--rule", type=json_object, metavar="JSON|@FILE", help="The rule as a whole, in place of these options.")
@json_option
def set_rule(*, name: str, rule: dict[str, Any] | None, as_json: bool, **options: Any) -> None:
    """Store a notification rule, or replace the one with this name.

    \b
    jobqueue notification set on-call --event job.failed --event 'schedule.*' --tag stage=prod \\
        --webhook https://hooks.example.org/jobqueue --secret hook-key --group 5m
    jobqueue notification set team --event job.failed --apprise team-mail
    """
    described = _rule(options)
    if rule is None:
        if not options["events"] or (options["webhook"] is None) == (options["apprise"] is None):
            raise click.UsageError("Give --event, and --webhook or --apprise, or the rule as a whole by --rule.")
        if options["webhook"] is not None and options["secret"] is None:
            raise click.UsageError(
                "--webhook needs --secret NAME, the API's secret that signs the messages: a file in its "
                "JOBQUEUE_SECRETS_DIR, or JOBQUEUE_SECRET_NAME in its environment."
            )
        rule = described
    elif described:
        raise click.UsageError("--rule gives the rule as a whole; leave out the other options.")
    with connect() as client:
        stored = client.notifications.put(name, rule)
    if as_json:
        screen().json(stored)
    else:
        screen().line(f"{one_line(stored.get('name'))}  stored; `jobqueue notification test` sends a test message")


@notification.command("list")
@full_option
@json_option
def list_rules(full: bool, as_json: bool) -> None:
    """List all notification rules by name, with their last delivery."""
    with connect() as client:
        rules = list(client.notifications.list())
    out = screen(full=full)
    if as_json:
        out.json({"notifications": rules, "total": len(rules)})
        return
    out.table(
        COLUMNS,
        [rule_row(out, rule) for rule in rules],
        empty="No notification rules; `jobqueue notification set` stores one.",
    )


@notification.command()
@_name
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a notification rule and its last deliveries."""
    with connect() as client:
        rule = client.notifications.get(name)
    out = screen()
    if as_json:
        out.json(rule)
    else:
        show_rule(out, rule)


@notification.command()
@_name
@json_option
def test(name: str, as_json: bool) -> None:
    """Send a test message, once. Exit code 1: it was not delivered."""
    with connect() as client:
        answer = client.notifications.test(name)
    _show_sent(answer, as_json=as_json)


@notification.command("dead-letters")
@_name
@full_option
@json_option
def dead_letters(name: str, full: bool, as_json: bool) -> None:
    """List the dead letters of a rule, oldest first."""
    with connect() as client:
        answer = client.notifications.dead_letters(name)
    out = screen(full=full)
    if as_json:
        out.json(answer)
        return
    out.table(LETTERS, [letter_row(out, letter) for letter in answer["dead_letters"]], empty="No dead letters.")


@notification.command()
@_name
@click.option("--id", "message_id", metavar="ID", help="Only this message.")
@json_option
def resend(name: str, message_id: str | None, as_json: bool) -> None:
    """Send dead letters again, the oldest first, at most 20. Exit code 1: one was not delivered."""
    with connect() as client:
        answer = client.notifications.resend(name, message_id)
    _show_sent(answer, as_json=as_json)


@notification.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=notifications_like)
def delete(names: Sequence[str]) -> None:
    """Delete notification rules, with their dead letters."""
    with connect() as client:
        for name in names:
            client.notifications.delete(name)
            screen().line(f"{one_line(name)}  deleted")


def _rule(options: Mapping[str, Any]) -> dict[str, Any]:
    """The rule that the options describe, without what was not given."""
    event_filter: dict[str, Any] = {
        name: list(options[name])
        for name in ("hosts", "operations", "saved", "submitters", "schedules", "workflows", "alerts")
        if options[name]
    }
    if options["tags"]:
        event_filter["tags"] = dict(options["tags"])
    if options["target"] is not None:
        event_filter["target"] = options["target"]
    url, secret, group = options["webhook"], options["secret"], options["group"]
    channel: dict[str, Any] = {}
    if url is not None:
        channel = {"type": "webhook", "url": {"$secret": url[1:]} if url.startswith("$") else url}
    if options["apprise"] is not None:
        channel = {"type": "apprise", "url": {"$secret": options["apprise"]}}
    if secret is not None:
        channel["secret"] = {"$secret": secret}
    rule = {
        "events": list(options["events"]),
        "channel": channel,
        "filter": event_filter,
        "group": None if group is None else show_duration(round(group * 1e6)),
        "quiet_hours": list(options["quiet_hours"]),
        **{name: options[name] for name in ("time_zone", "description", "paused")},
    }
    return {name: value for name, value in rule.items() if value not in (None, [], {})}


def _show_sent(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        screen().json(answer)
    elif answer["error"]:
        screen().line(f"{answer['sent']} delivered, {answer['left']} left: {one_line(answer['error'])}")
    else:
        screen().line(f"{answer['sent']} delivered, {answer['left']} left")
    if answer["error"]:
        raise click.exceptions.Exit(_EXIT_FAILED)
