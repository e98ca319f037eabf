"""The input window of a started or repeated run: an aggregation continues where the last one ended."""

from __future__ import annotations

from typing import Any, TypeGuard

from api.fusion import configuration_json
from api.fusion.job_types import AGGREGATION_OPERATION, Moments, task_of
from api.fusion.series import Series
from api.fusion.stored import StoredConfigurations
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.configuration import Configuration
from jobqueue.model.filter import MAX_LIMIT, JobFilter
from jobqueue.model.job import Job
from jobqueue.model.principal import Principal
from jobqueue.model.states import JobStatus
from jobqueue.model.timestamps import from_iso, to_iso
from jobqueue.operations.registry import Registry
from jobqueue.services.renewal import Renewal


def renew(ledger: Ledger, registry: Registry, job: Job, run_id: str, principal: Principal) -> Renewal:
    """What changes when ``principal`` runs ``job`` again as ``run_id``.

    An aggregation reads the rows that are there now and were not read yet, as a new start does: repeating the same
    window would count rows twice that another run has read since. A repeated run of a stored configuration remains one
    and requires permission to run the configuration's current version; any other run belongs to the principal. Raises
    ``PermissionDenied``.
    """
    if job.request is None:
        return Renewal(job.data, job.exclusive, job.groups)
    configuration = configuration_json.parse(job.request)
    stored = StoredConfigurations(ledger.configurations, registry)
    series = _series_again(job, stored, configuration.id, principal)
    if job.operation != AGGREGATION_OPERATION:
        return Renewal(job.data, series.exclusive, series.groups)
    data = task_of(configuration, registry, run_id, lambda: moments(ledger, configuration, series)).data
    return Renewal(data, series.exclusive, series.groups)


def moments(ledger: Ledger, configuration: Configuration, series: Series) -> Moments:
    """Up to where a run reads, and after where: up to there the last completed run has read."""
    created = configuration.created
    if created is None:
        created = next((stored.created for stored in ledger.configurations.some([configuration.id])), None)
    completed = JobFilter(
        status=JobStatus.COMPLETED,
        group=series.group,
        # what an earlier configuration of this name has read is not read for this one
        created_after=created,
        limit=MAX_LIMIT,
    )
    # the latest end, not that of the newest run: a given reference time may lie anywhere, and what was read stays read
    ends = [
        _reference(job)
        for job in ledger.jobs.page(completed).items
        if series.group in job.groups and job.operation == AGGREGATION_OPERATION
    ]
    reached = ledger.configurations.reached(series.exclusive)
    if _is_time(reached):
        ends.append(reached)
    return Moments(reference=to_iso(ledger.time()), last_run=max(ends, key=from_iso, default=None))


def _series_again(job: Job, stored: StoredConfigurations, config_id: str, principal: Principal) -> Series:
    series = Series.stored(config_id)
    if series.group in job.groups:
        configuration = stored.find(config_id)
        if configuration is not None:
            stored.require(configuration, principal)
            return series
    return Series.inline(config_id, principal)


def _reference(job: Job) -> str:
    reference = job.data.get("referenceTime")
    return reference if _is_time(reference) else to_iso(job.executions[0].started)


def _is_time(value: Any) -> TypeGuard[str]:
    try:
        return isinstance(value, str) and from_iso(value) is not None
    except (ValueError, OverflowError):
        return False
