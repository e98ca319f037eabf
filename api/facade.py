"""The API of another system, served beside the native one for the clients of that system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Flask

from api.auth.request_credentials import Source
from api.auth.web_token import Claimed
from api.following import Source as FollowedSource
from api.openapi import FacadeDocument
from api.scheduling import Content


@dataclass(frozen=True)
class Facade:
    """A facade, as the application installs it.

    ``rules`` are the permissions that its routes need, ``document`` describes the routes, and ``credentials`` finds
    those that its clients send elsewhere than in ``Authorization``. ``scoped`` are the routes that look at hosts; to
    a principal with a permission on some hosts only, all others are closed. ``audited``: the routes that change access,
    each with its status of success (``api/audit.py``). ``contents``: what schedules may run besides jobs; ``sources``:
    what they may follow besides saved jobs. ``instead``: permissions that open a route to principals without that of
    ``rules``; the view then looks at them. ``issuers``: how the roles and permissions of tokens of its own issuers are
    read.
    """

    install: Callable[[Flask], None]
    rules: Mapping[str, str]
    document: FacadeDocument
    credentials: Source | None = None
    scoped: frozenset[str] = frozenset()
    audited: Mapping[str, int] = field(default_factory=dict)
    contents: Mapping[str, Content] = field(default_factory=dict)
    sources: Mapping[str, FollowedSource] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    issuers: Mapping[str, Claimed] = field(default_factory=dict)
