"""What schedules run and follow of this API: stored configurations, as ``{"configuration": ID}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.following import Source
from api.fusion.runs import Runs
from api.fusion.series import Series
from api.scheduling import Content
from jobqueue.errors import ConfigurationNotFound, InvalidInput
from jobqueue.model.configuration import check_configuration_id
from jobqueue.model.principal import Principal
from jobqueue.model.submission import Submission
from jobqueue.services import Services

CONFIGURATION = "configuration"
_FIELD = f"job.{CONFIGURATION}"


def check(content: Mapping[str, Any]) -> None:
    """Raise ``InvalidInput`` unless it has the id of a configuration, and nothing else."""
    unknown = sorted(content.keys() - {CONFIGURATION})
    if unknown:
        raise InvalidInput.of(f"job.{unknown[0][:80]}", f"Unknown field; a run of a configuration has {CONFIGURATION}.")
    config_id = content[CONFIGURATION]
    if not isinstance(config_id, str):
        raise InvalidInput.of(_FIELD, "Must be a string: the id of a stored configuration.")
    try:
        check_configuration_id(config_id)
    except InvalidInput as error:
        raise InvalidInput.of(_FIELD, error.message) from error


def submission(content: Mapping[str, Any], principal: Principal, services: Services) -> Submission:
    """A run of the configuration as it is now. Raises ``InvalidInput``, ``RecordAltered``."""
    runs = Runs(services.ledger, services.submitter, services.registry)
    try:
        return runs.submission(str(content[CONFIGURATION]), principal)
    except ConfigurationNotFound as error:
        raise InvalidInput.of(_FIELD, error.message) from error


def _exists(config_id: str, services: Services) -> bool:
    return next(iter(services.ledger.configurations.some([config_id])), None) is not None


def group_of(config_id: str) -> str:
    """The list of the runs of a stored configuration."""
    return Series.stored(config_id).group


CONTENTS = {CONFIGURATION: Content(check, submission)}
SOURCES = {CONFIGURATION: Source(group_of, _exists, "job:read")}
