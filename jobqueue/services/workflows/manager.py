"""Stores workflows."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import MAX_BYTES
from jobqueue.model.workflow import Workflow, check_graph
from jobqueue.services.saved.parameters import check_parameters
from jobqueue.services.versioned import VersionedManager
from jobqueue.services.workflows.node_jobs import NodeJobs, of_node


class WorkflowManager(VersionedManager[Workflow]):
    """Stores, lists and removes workflows."""

    def __init__(self, ledger: Ledger, node_jobs: NodeJobs) -> None:
        super().__init__(ledger, ledger.workflows, "workflow")
        self._node_jobs = node_jobs

    def _checked(self, record: Workflow, principal: Principal, *, is_assumed: bool) -> Workflow:
        check_graph(record.nodes)
        parameters = check_parameters(record.parameters)
        size = len(json.dumps(record.content))
        if size > MAX_BYTES:
            raise InvalidInput(f"The workflow has {size} bytes of JSON; at most {MAX_BYTES} are allowed.")
        check = partial(self._node_jobs.check, parameters=parameters, principal=principal, is_assumed=is_assumed)
        for number, node in enumerate(record.nodes):
            of_node(number, partial(check, node))
        return replace(record, parameters=parameters)

    def _numbered(self, record: Workflow, **fields: Any) -> Workflow:
        return replace(record, **fields)
