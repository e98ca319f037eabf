from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from api.app import create_app
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import services_with, settings_in

#: As an agent reports them.
FACTS = {
    "hostname": "web1",
    "fqdn": "web1.example",
    "os": {"system": "linux", "distribution": "debian", "family": "debian", "version": "12", "name": "Debian 12"},
    "kernel": "6.1.0",
    "arch": "x86_64",
    "cpus": 4,
    "interfaces": ["eth0", "lo"],
    "interface": {"primary": "eth0"},
    "service_mgr": "systemd",
    "package_mgr": "apt",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    """Three agents over an empty ledger."""
    return services_with(settings, {"web1": {"group": "web"}, "web2": {"group": "web"}, "db1": {"group": "db"}}, FACTS)


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """Building an application takes a while, and it keeps nothing but the services, which each test replaces."""
    settings = settings_in(tmp_path_factory.mktemp("api"))
    return create_app(settings, services_with(settings, {}))


@pytest.fixture
def app(shared_app: Flask, services: Services) -> Flask:
    shared_app.extensions["jobqueue"] = services
    return shared_app
