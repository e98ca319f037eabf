"""The use cases of this API over the services that a request works with."""

from __future__ import annotations

from api.context import services
from api.fusion.reports import Reports
from api.fusion.runs import Runs
from api.fusion.stored import StoredConfigurations


def runs() -> Runs:
    """Runs that agents run."""
    bag = services()
    return Runs(bag.ledger, bag.submitter, bag.registry)


def reports() -> Reports:
    """Runs that external drivers report."""
    return Reports(services().ledger)


def configurations() -> StoredConfigurations:
    """Stored configurations."""
    bag = services()
    return StoredConfigurations(bag.ledger.configurations, bag.registry)
