"""Stored configurations: write permissions, and errors for missing ones."""

from __future__ import annotations

from api.fusion.job_types import operations_of, own_data_of
from api.fusion.series import exclusive_name
from jobqueue.errors import ConfigurationNotFound, RecordAltered
from jobqueue.ledger.configurations import Configurations
from jobqueue.model.configuration import Configuration
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry
from jobqueue.services.submission_permissions import SUBMIT, USE_SECRETS
from jobqueue.trust.secrets.reference import has_secret


class StoredConfigurations:
    """The stored configurations of one ledger."""

    def __init__(self, configurations: Configurations, registry: Registry) -> None:
        self._configurations = configurations
        self._registry = registry

    def all(self) -> list[Configuration]:
        """All of them, by id."""
        return self._configurations.all()

    def get(self, config_id: str) -> Configuration:
        """One configuration. Raises ``ConfigurationNotFound``, ``RecordAltered``."""
        configuration = self.find(config_id)
        if configuration is None:
            raise _unknown(config_id)
        return configuration

    def find(self, config_id: str) -> Configuration | None:
        """The configuration, or None if it does not exist. Raises ``RecordAltered``."""
        return next(iter(self._configurations.some([config_id])), None)

    def create(self, configuration: Configuration, principal: Principal) -> None:
        """Store a new configuration. Raises ``PermissionDenied``, ``ConfigurationExists``.

        Others start it with their own permissions, so its author must be allowed to run it.
        """
        self.require(configuration, principal)
        self._configurations.create(configuration, principal.name)

    def replace(self, configuration: Configuration, principal: Principal) -> None:
        """Store it in place of the one with its id. Raises ``PermissionDenied``, ``ConfigurationNotFound``."""
        self.require(configuration, principal)
        self._require_stored(configuration.id, principal)
        self._configurations.replace(configuration, principal.name)

    def delete(self, config_id: str, principal: Principal) -> None:
        """Remove one. Raises ``PermissionDenied``, ``ConfigurationNotFound``, ``JobNotFinal``."""
        self._require_stored(config_id, principal)
        self._configurations.delete(config_id, exclusive_name(config_id))

    def _require_stored(self, config_id: str, principal: Principal) -> None:
        try:
            stored = self.get(config_id)
        except RecordAltered:  # an altered configuration never runs
            return
        self.require(stored, principal)

    def require(self, configuration: Configuration, principal: Principal) -> None:
        """Raise ``PermissionDenied`` unless ``principal`` may run what a run of ``configuration`` would."""
        principal.require(SUBMIT)
        for operation in operations_of(configuration):
            for permission in self._registry.permissions_of(operation, own_data_of(configuration)):
                principal.require(permission)
        if has_secret(configuration.fields):
            principal.require(USE_SECRETS)


def _unknown(config_id: str) -> ConfigurationNotFound:
    return ConfigurationNotFound(
        f"No configuration has the id {config_id!r}; GET /api/spark/configurations lists them."
    )
