"""/spark/driver/log: the output of runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Response

from api.context import services
from api.fusion import requests
from api.fusion.app_prefix import blueprint as make_blueprint
from api.fusion.series import find
from jobqueue.errors import NotFound
from jobqueue.model.output import OutputPage

if TYPE_CHECKING:
    from jobqueue.services import Services

blueprint = make_blueprint("driver")


@blueprint.get("/driver/log/<run_id>")
def show(run_id: str) -> Response:
    """The whole output of a run so far, as text."""
    job = find(services().ledger.jobs, requests.run_id(run_id))
    if job.external_run is not None:
        raise NotFound(f"Run {run_id} was not run by an agent, so its log is not stored here.")
    # the first page before the response starts, so that its errors still have their own status
    bag = services()
    return Response(_text(bag, job.id, bag.output.page(job.id)), content_type="text/plain; charset=utf-8")


def _text(bag: Services, job_id: str, page: OutputPage) -> Iterator[bytes]:
    if page.cut:
        yield f"[... {page.cut} bytes are no longer stored ...]\n".encode()
    while page.chunks:
        yield from (chunk.data for chunk in page.chunks)
        page = bag.output.page(job_id, None, page.next_offset)
