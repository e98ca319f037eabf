"""Making pages from the templates."""

from __future__ import annotations

import re
import time
from functools import cache
from typing import Any

from flask import Response, current_app, request
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from api import context
from api.dashboard import access, answers, assets
from jobqueue import __version__
from jobqueue.model.principal import Principal
from jobqueue.model.states import JobStatus
from jobqueue.model.timestamps import duration_text, to_iso

_MICROS = 1_000_000
_PATHS = "jobqueue.dashboard.paths"
_CODE = re.compile(r"`([^`]{1,200})`")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: What stands in the menu: path, title, the permission that it needs.
MENU = (
    ("/", "Overview", ""),
    ("/ui/jobs", "Jobs", "job:read"),
    ("/ui/runs", "Runs", "job:read"),
    ("/ui/saved", "Saved", "saved:read"),
    ("/ui/workflows", "Workflows", "saved:read"),
    ("/ui/schedules", "Schedules", "schedule:read"),
    ("/ui/notifications", "Notifications", "notification:read"),
    ("/ui/files", "Files", "file:read"),
    ("/ui/agents", "Agents", "agent:read"),
    ("/ui/submit", "Submit", "job:write"),
    ("/ui/audit", "Audit", "audit:read"),
)
#: Pages that show a part to those with a permission on some hosts only.
_OF_HOSTS = frozenset({"/ui/jobs", "/ui/agents", "/ui/submit"})
#: The key after "g" that goes to a page, by the page's title.
KEYS = {
    "Overview": "o",
    "Jobs": "j",
    "Runs": "r",
    "Saved": "v",
    "Workflows": "w",
    "Schedules": "c",
    "Notifications": "n",
    "Files": "f",
    "Agents": "a",
    "Submit": "s",
    "Audit": "u",
}


@cache
def prose(text: str) -> Markup:
    """A sentence for a page: what stands in backticks in it is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("api.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        # of a front: the cells of the jobs that a page lists, and of which the page is made
        cells={},
        sections=(),
        serves=serves,
        asset=_asset,
        link=link,
        version=__version__,
        statuses=[str(status) for status in JobStatus],
    )
    environment.filters.update(
        ago=ago,
        iso=to_iso,
        duration=duration_text,
        bytes=bytes_text,
        words=words,
        pretty=answers.pretty,
        prose=prose,
        plain=answers.plain,
        remarkable=answers.remarkable,
        steps=answers.steps,
        without_steps=answers.without_steps,
        number=lambda value: f"{value:,}",
    )
    return environment


def render(template: str, status: int = 200, **values: Any) -> Response:
    """The page of a template. Everything in ``values`` is escaped where it is shown."""
    # a server in place of a cell may send halves of characters, which are none in UTF-8
    page = body(template, **values).encode("utf-8", "replace")
    response = Response(page, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "no-store"
    # with "no-referrer" browsers send our own forms with "Origin: null"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def body(template: str, **values: Any) -> str:
    """The text of a page."""
    caller = context.principal()
    menu = [(path, title) for path, title, needed in MENU if serves(path) and _opens(caller, path, needed)]
    if not caller.name:
        menu = []
    return (
        _environment()
        .get_template(template)
        .render(
            who=caller,
            may=_may(caller),
            menu=menu,
            keys=KEYS,
            path=request.path,
            here=request.full_path.rstrip("?"),
            proof=access.of_this_app().proof() if caller.name else "",
            now=now(),
            **values,
        )
    )


def link(path: str) -> str:
    """A path as browsers see it, also behind a proxy's prefix."""
    return f"{request.script_root}{path}"


def serves(path: str) -> bool:
    """Whether the application has a page at this path: a front has fewer."""
    paths: frozenset[str] | None = current_app.extensions.get(_PATHS)
    if paths is None:
        paths = current_app.extensions[_PATHS] = frozenset(rule.rule for rule in current_app.url_map.iter_rules())
    return path in paths


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000


def ago(at: int) -> str:
    """How long ago that was, or how long until then, in words."""
    seconds = (now() - at) // _MICROS
    if 0 <= seconds < 2:
        return "just now"
    units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    unit, name = next((unit, name) for unit, name in units if abs(seconds) >= unit)
    text = f"{abs(seconds) // unit} {name}"
    return f"in {text}" if seconds < 0 else f"{text} ago"


def bytes_text(count: float) -> str:
    """``1536`` -> ``1.5 KiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def words(name: object) -> str:
    """``partial_failure`` -> ``partial failure``."""
    return str(name).replace("_", " ")


def _asset(name: str) -> str:
    return link(assets.address_of(name))


def _opens(caller: Principal, path: str, needed: str) -> bool:
    return not needed or caller.may(needed) or (path in _OF_HOSTS and caller.may_somewhere(needed))


def _may(caller: Principal) -> Any:
    return caller.may_somewhere
