"""``jobqueue job diff``: two different answers to a job, line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.candidates import hostnames_like
from jobqueue.cli.connection import connect
from jobqueue.cli.job_ids import job_id_of
from jobqueue.cli.parameters import job_id_argument, json_option
from jobqueue.cli.views.diff_view import show_diff
from jobqueue.cli.views.execution_view import merged
from jobqueue.cli.views.output import screen
from jobqueue.client import Client
from jobqueue.model.answer_diff import AnswerDiff, answer_lines, compare
from jobqueue.model.execution_page import MAX_LIMIT

Group = Mapping[str, Any]
_BOTH = 2


@click.command()
@job_id_argument
@click.argument("hosts", metavar="[HOST HOST]", nargs=-1, shell_complete=hostnames_like)
@json_option
def diff(job_id: str, hosts: Sequence[str], as_json: bool) -> None:
    """Compare the answers of two hosts to a job, line by line.

    Without hosts, it compares the first group of equal answers (a failed one, if any host failed) with the largest
    other group. Lines that only the first answer has begin with -, those that only the second has with +. Fields that
    differ in every run, such as duration_ms, are not compared.
    """
    if len(hosts) not in (0, _BOTH):
        raise click.UsageError("Give two hosts, or none to compare the answers of two groups.")
    with connect() as client:
        job_id = job_id_of(client, job_id)
        groups = merged(client.iter_execution_pages(job_id, group="answer"))["groups"]
        pair = [_group_of(client, job_id, groups, host) for host in hosts] if hosts else _two_of(groups)
    if not pair:
        click.echo("All answers are equal.", err=True)
        return
    first, second = pair
    difference = compare(_lines(first), _lines(second))
    if as_json:
        screen().json(_document(first, second, difference))
    else:
        show_diff(screen(), first, second, difference)


def _two_of(groups: Sequence[Group]) -> list[Group]:
    if len(groups) < _BOTH:
        return []
    return [groups[0], max(groups[1:], key=lambda group: int(group["count"]))]


def _group_of(client: Client, job_id: str, groups: Sequence[Group], host: str) -> Group:
    """The group of a host; of one that its group does not name, a group of the host alone."""
    for group in groups:
        if host in group["hostnames"]:
            return group
    for execution in client.iter_executions(job_id, limit=MAX_LIMIT):
        if execution["hostname"] == host:
            return {**execution, "hostnames": [host], "count": 1}
    raise click.ClickException(
        f"{host!r} is not a host of job {job_id}; `jobqueue job show {job_id} --executions` lists them."
    )


def _lines(group: Group) -> list[str]:
    return answer_lines(str(group.get("status")), group.get("error"), group.get("data"))


def _document(first: Group, second: Group, difference: AnswerDiff) -> dict[str, Any]:
    return {
        "first": {name: first.get(name) for name in ("hostnames", "count", "status")},
        "second": {name: second.get(name) for name in ("hostnames", "count", "status")},
        "lines": [{"mark": line.mark, "text": line.text} for line in difference.lines],
        "lines_left_out": difference.left_out,
    }
