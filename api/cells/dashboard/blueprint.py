"""The routes of a front's dashboard. They have the names of those of a cell's, and so their permissions."""

from __future__ import annotations

import flask

from api.dashboard import assets, audit, provider_signing_in, signing_in
from api.dashboard.blueprint import PREFIX

blueprint = flask.Blueprint("dashboard", __name__)

#: Pages about the front itself, as a cell has them about itself.
blueprint.add_url_rule(f"{PREFIX}/sign-in", "sign_in", signing_in.sign_in)
blueprint.add_url_rule(f"{PREFIX}/sign-in", "begin", signing_in.begin, methods=["POST"])
blueprint.add_url_rule(f"{PREFIX}/sign-out", "end", signing_in.end, methods=["POST"])
blueprint.add_url_rule(f"{PREFIX}/sign-in/provider", "go_to_provider", provider_signing_in.go_to_provider)
blueprint.add_url_rule(
    provider_signing_in.RETURN_PATH, "return_from_provider", provider_signing_in.return_from_provider
)
blueprint.add_url_rule(f"{PREFIX}/static/<path:name>", "static", assets.static)
blueprint.add_url_rule(f"{PREFIX}/audit", "audit", audit.audit)
