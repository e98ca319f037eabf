"""Every route x verb x role, from the application's own map of routes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.auth import gate
from api.auth.rules import ALIAS, KNOWN, PUBLIC, RULES, rule_name, rule_of
from jobqueue.model.grant import EVERYTHING
from jobqueue.model.principal import ANONYMOUS, Principal, check_permissions
from jobqueue.model.role import BUILTIN
from jobqueue.model.role import KNOWN as GIVEN
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import error
from tests.unit.api.test_auth import filled, is_native

ID = "123e4567-e89b-42d3-a456-426614174000"
#: Every permission that a route asks for.
ASKED = sorted({rule for rule in RULES.values() if rule not in (PUBLIC, KNOWN)})

#: How the names of the widest roles begin.
WIDE = "all but "
ROLES = {
    "nothing": frozenset[str](),
    **BUILTIN,
    # the narrowest roles that there can be, and the widest that lack just one permission
    **{f"only {permission}": frozenset({permission}) for permission in ASKED},
    **{f"{WIDE}{permission}": frozenset(ASKED) - {permission} for permission in ASKED},
    **{
        f"all of {resource}": frozenset({f"{resource}:*"})
        for resource in sorted({name.partition(":")[0] for name in ASKED})
    },
}


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of everything that is served."""
    return [
        (rule.endpoint, method, filled(rule.rule))
        for rule in app.url_map.iter_rules()
        for method in sorted(rule.methods or ())
        if not rule.websocket
    ]


@pytest.fixture
def as_principal(app: Flask) -> Iterator[list[Principal]]:
    """A list whose last item every request comes from."""
    acting = [ANONYMOUS]
    before = gate.of(app).authenticate
    gate.of(app).authenticate = lambda _environ: acting[-1]
    yield acting
    gate.of(app).authenticate = before


def test_every_route_has_a_rule(app: Flask) -> None:
    assert [rule.endpoint for rule in app.url_map.iter_rules() if rule_of(rule.endpoint) is None] == []


def test_every_rule_has_a_route(app: Flask) -> None:
    """A rule for what is not there would hide that a route was renamed."""
    served = {rule_name(rule.endpoint) for rule in app.url_map.iter_rules()}
    blueprints = {name.partition(".")[0] for name in served}
    assert [name for name in RULES if name not in served and name.partition(".")[0] in blueprints] == []


def test_rules_are_permissions(app: Flask) -> None:
    assert list(check_permissions(ASKED)) == ASKED
    assert EVERYTHING not in ASKED  # a route that only an administrator may use has a permission of its own


def test_what_routes_ask_for_is_known_where_permissions_are_given() -> None:
    """Else a slip of the pen could be refused in favour of another, or a right one for a neighbour of it."""
    assert set(ASKED) <= GIVEN


@pytest.mark.parametrize("role", ROLES)
def test_every_route_for_every_role(
    app: Flask, client: FlaskClient, as_principal: list[Principal], services: FakeServices, role: str
) -> None:
    principal = Principal("somebody", ROLES[role])
    as_principal.append(principal)
    refused = passed = 0
    for endpoint, method, path in routes(app):
        rule = rule_of(endpoint)
        assert rule is not None, endpoint
        if role.startswith(WIDE) and rule in ASKED and principal.may(rule):
            continue  # a role that has only this permission gets in, see the others
        response = client.open(path, method=method, buffered=True)
        if rule in (PUBLIC, KNOWN) or method == "OPTIONS" or principal.may(rule):
            assert response.status_code not in (401, 403), (method, path, role)
            passed += 1
            continue
        assert response.status_code == 403, (method, path, role)
        if method != "HEAD" and is_native(app, path):
            body = error(response, 403, f"somebody lacks the permission {rule}")
            assert body["details"] == {"permission": rule}
        refused += 1
    assert passed >= 10  # health and documents, at both places
    assert (refused == 0) == all(map(principal.may, ASKED)), role


def test_options_run_no_view(app: Flask) -> None:
    """So that credentials are enough for them (and none is enough, see test_auth)."""
    views = [rule.endpoint for rule in app.url_map.iter_rules() if not vars(rule)["provide_automatic_options"]]
    assert views == []


def test_a_refused_request_does_nothing(
    client: FlaskClient, as_principal: list[Principal], services: FakeServices
) -> None:
    as_principal.append(Principal("reader", BUILTIN["read"]))
    body = {"operation": {"type": "node.hostname.get"}}
    error(client.post("/job", json=body), 403, "job:write")
    error(client.post("/job/batch", json={"jobs": [body]}), 403, "job:write")
    error(client.post(f"/job/{ID}/retry"), 403, "job:write")
    error(client.post("/agent/web1/drain"), 403, "agent:write")
    error(client.delete("/agent/web1"), 403, "agent:write")
    assert (services.submitted, services.retries) == ([], [])
    assert services.agents_known[0].state == "Ready"


def test_a_route_without_a_rule_is_refused_to_every_caller(app: Flask, as_principal: list[Principal]) -> None:
    """The map has it, as a new route would be; its rule is what is missing."""
    as_principal.append(Principal("root", frozenset({EVERYTHING})))
    endpoint = "schedule.list_schedules"
    kept = dict(RULES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.auth.rules.RULES", {name: rule for name, rule in kept.items() if name != endpoint})
        error(app.test_client().get("/schedule"), 403, "no rule")
        error(app.test_client().get("/api/schedule"), 403, "no rule")
    assert app.test_client().get("/schedule").status_code == 200


def test_an_unknown_path_needs_no_permission_but_credentials(
    app: Flask, client: FlaskClient, as_principal: list[Principal]
) -> None:
    error(client.get("/nope"), 404)
    error(client.put("/job"), 405)


def test_the_alias_cannot_be_used_to_reach_a_public_rule(app: Flask) -> None:
    public = {rule.rule for rule in app.url_map.iter_rules() if rule_of(rule.endpoint) == PUBLIC}
    assert public == {"/health", "/health/ready", "/api/health", "/api/health/ready"} | {
        "/api/gcs_healthz",
        "/api/authentication_mode",
        "/api/session",
        "/api/apollo/session",
        "/auth/provider",
        "/api/auth/provider",
        "/ui/sign-in",
        "/ui/sign-in/provider",
        "/ui/sign-in/return",
        "/ui/static/<path:name>",
    }
    assert rule_of(f"{ALIAS}.{ALIAS}.health.alive") is None
    assert rule_of("nested.health.alive") is None
    assert rule_of("alive") is None
