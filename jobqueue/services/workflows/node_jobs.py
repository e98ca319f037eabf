"""From a node of a workflow to its job: its checks when the workflow is stored, and its submission in a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from jobqueue.errors import InvalidInput, JobQueueError, SavedJobNotFound
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import SavedJob
from jobqueue.model.submission import Submission
from jobqueue.model.workflow import MAX_NODE_TAGS, NODE_TAG, RUN_TAG, WORKFLOW_TAG, Node, Workflow
from jobqueue.model.workflow_run import WorkflowRun
from jobqueue.operations.registry import Registry
from jobqueue.services.saved import making, template
from jobqueue.services.saved.checks import check_templates, target_parameter
from jobqueue.services.saved.manager import SavedJobManager
from jobqueue.services.saved.parameters import values_of

_T = TypeVar("_T")
_TARGET = "target_hostname"
#: Values of a workflow's parameters, or their schemas.
Parameters = Mapping[str, Any]


class NodeJobs:
    """Checks the nodes of workflows, and makes submissions of them."""

    def __init__(self, registry: Registry, saved_jobs: SavedJobManager) -> None:
        self._registry = registry
        self._saved = saved_jobs

    def check(self, node: Node, parameters: Parameters, principal: Principal, *, is_assumed: bool = False) -> None:
        """Raise ``InvalidInput`` for a node that is not valid, and ``PermissionDenied`` unless the principal may submit
        its job on every host: others run the workflow with their own permissions.

        ``is_assumed``: a saved job that does not exist is not looked at.
        """
        if len((node.job or {}).get("tags") or {}) > MAX_NODE_TAGS:
            sentence = f"A workflow adds tags of its own to its jobs: give at most {MAX_NODE_TAGS} others."
            raise InvalidInput.of("tags", sentence)
        if node.job is not None:
            saved = making.checked(_inline(node, parameters), self._registry)
            making.require_rights(saved, principal, self._registry)
            return
        if is_assumed and not self._saved.exists(node.saved):
            return
        saved = self._named(node)
        making.require_rights(saved, principal, self._registry)
        check_templates({}, node.parameters, parameters, "parameters")
        if not _has_template(node.parameters):
            values_of(saved.parameters, node.parameters)
        for name in node.parameters:
            if name not in saved.parameters:
                values_of(saved.parameters, {name: None})  # raises, with similar names
        if node.target is not None and target_parameter(node.target, parameters) is None:
            making.submission(
                replace(saved, parameters={}, job={**saved.job, "data": {}}), self._registry, {}, principal, node.target
            )

    def submission(self, run: WorkflowRun, node: Node, principal: Principal, now: int) -> Submission:
        """The submission of a node in a run. Raises ``InvalidInput``, ``PermissionDenied``, ``RecordAltered``."""
        workflow = run.workflow
        made = self._made(node, workflow, run.values, principal)
        tags = {**made.tags, WORKFLOW_TAG: workflow.name, RUN_TAG: run.id, NODE_TAG: node.name}
        expires_at = made.expires_at if node.expires_after is None else now + node.expires_after
        return replace(made, tags=tags, groups=(*made.groups, run.group), expires_at=expires_at)

    def _made(self, node: Node, workflow: Workflow, values: Parameters, principal: Principal) -> Submission:
        if node.job is not None:
            title = node.job.get("title") or f"{workflow.name}: {node.name}"
            return making.submission(_inline(node, workflow.parameters), self._registry, values, principal, title=title)
        given = template.render(node.parameters, values, "parameters")
        target = node.target
        name = None if target is None else target_parameter(target, workflow.parameters)
        if name is not None:
            value = values.get(name)
            target = ",".join(value) if isinstance(value, list) else value
        return self._saved.submission(node.saved, given, principal, target=target)

    def _named(self, node: Node) -> SavedJob:
        try:
            return self._saved.get(node.saved)
        except SavedJobNotFound as error:
            raise InvalidInput.of("saved", error.message) from error


def of_node(number: int, call: Callable[[], _T]) -> _T:
    """The answer to ``call``, whose errors name fields of a node as fields of the workflow."""
    try:
        return call()
    except JobQueueError as error:
        if not isinstance(error, InvalidInput):
            raise
        where, fields = f"nodes[{number}]", error.details or {}
        is_named = error.message.partition(":")[0] in fields
        field = "" if is_named or len(fields) != 1 else f"{next(iter(fields))}: "
        message = f"{where}.{field}{error.message}" if is_named or field else f"{where}: {error.message}"
        raise type(error)(message, {f"{where}.{name}": texts for name, texts in fields.items()}) from error


def _inline(node: Node, parameters: Parameters) -> SavedJob:
    """The job of a node as a saved job with the parameters of its workflow."""
    return SavedJob(node.name, node.job or {}, parameters)


def _has_template(data: Parameters) -> bool:
    return any(template.OPEN in text for _, text in template.texts_in(data))
