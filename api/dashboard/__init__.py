"""The dashboard at ``/``: pages made on the server, for people with a browser."""

from __future__ import annotations

from flask import Flask

from api import facade_errors
from api.auth.web_token import WebTokens
from api.dashboard import (
    access,
    agents,
    alerts,
    assets,
    audit,
    calendar,
    errors,
    files,
    job,
    jobs,
    notifications,
    overview,
    pauses,
    provider_signing_in,
    rollouts,
    runs,
    saved,
    schedule_form,
    schedules,
    selected_agents,
    signing_in,
    submit,
    workflows,
)
from api.dashboard.blueprint import belongs, blueprint
from jobqueue.services import Services
from jobqueue.settings import Settings

__all__ = [
    "agents",
    "alerts",
    "assets",
    "audit",
    "calendar",
    "files",
    "install",
    "job",
    "jobs",
    "notifications",
    "overview",
    "pauses",
    "provider_signing_in",
    "rollouts",
    "runs",
    "saved",
    "schedule_form",
    "schedules",
    "selected_agents",
    "signing_in",
    "submit",
    "workflows",
]


def install(app: Flask, settings: Settings, services: Services, web_tokens: WebTokens) -> None:
    """Serve the dashboard from ``app``."""
    access.install(app, settings, services, web_tokens)
    facade_errors.add(app, belongs, errors.render)
    facade_errors.add(app, errors.wants_page, errors.render)
    app.register_blueprint(blueprint)
