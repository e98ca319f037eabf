"""Routes of agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jobqueue.client.routes import Routes, pages_of, path_of, without_none


class AgentRoutes(Routes):
    """Lists agents, and changes which there are and what they take."""

    def agents(
        self,
        *,
        labels: Sequence[str] = (),
        state: str | None = None,
        hostname: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        view: str | None = None,
    ) -> dict[str, Any]:
        """One page of agents, by hostname: ``{"agents": [...], "total", "is_least", "next_cursor"}``, 1,000 by default.

        All conditions must hold: ``labels`` are ``key:value`` as in a target; ``state`` is Ready, Draining, Cordoned,
        Pending, Revoked, live or offline, or several separated by commas; ``hostname`` may have stars.
        ``view="summary"`` leaves out facts, operations, memory and timeline.
        """
        query: dict[str, Any] = {"state": state, "hostname": hostname, "limit": limit, "cursor": cursor, "view": view}
        query = without_none(query)
        return self._object("GET", "/agent", query=query | ({"label": list(labels)} if labels else {}))

    def iter_agent_pages(self, **query: Any) -> Iterator[dict[str, Any]]:
        """All pages of ``agents``; ``query`` as there."""
        return pages_of(self.agents, **query)

    def iter_agents(self, **query: Any) -> Iterator[dict[str, Any]]:
        """Every matching agent, by hostname; ``query`` as for ``agents``, ``limit`` is the number per request."""
        for page in self.iter_agent_pages(**query):
            yield from page["agents"]

    def agent(self, hostname: str) -> dict[str, Any]:
        """One agent: ``hostname``, ``status``, ``state``, ``labels``, ``facts``, ``load``, ``running``..."""
        return self._object("GET", path_of("/agent", hostname))

    def drain(self, hostname: str, reason: str = "") -> dict[str, Any]:
        """Drain an agent, and return it; it takes no new work from now on. Lists show the ``reason``."""
        body = {"reason": reason} if reason else None
        return self._object("POST", path_of("/agent", hostname, "drain"), body=body, repeatable=True)

    def undrain(self, hostname: str) -> dict[str, Any]:
        """Undrain an agent, and return it; it takes work again."""
        return self._object("POST", path_of("/agent", hostname, "undrain"), repeatable=True)

    def invite(self, hostname: str = "", seconds: int = 3600) -> dict[str, Any]:
        """``{"token", "expires_at", "hostname"}``: a one-time token for a new agent."""
        return self._object("POST", "/agent/invite", body={"hostname": hostname, "seconds": seconds})

    def bundle(
        self,
        hostname: str,
        *,
        seconds: int = 3600,
        allow: Sequence[str] = ("read-only",),
        labels: Mapping[str, str] | None = None,
        redis_url: str | None = None,
        replace: bool = False,
    ) -> dict[str, Any]:
        """``{"bundle", "hostname", "expires_at", "sha256", "redis_user", "redis_user_kept"}``: the content of the file
        for ``jobqueue agent join`` on a new host. It holds secrets and is shown only here.
        """
        body: dict[str, Any] = {"hostname": hostname, "seconds": seconds, "allow": list(allow), "replace": replace}
        body["labels"] = dict(labels or {})
        if redis_url is not None:
            body["redis_url"] = redis_url
        return self._object("POST", "/agent/bundle", body=body)

    def accept(self, hostname: str, fingerprint: str) -> dict[str, Any]:
        """Accept an agent whose key has this fingerprint, and return it."""
        path = path_of("/agent", hostname, "accept")
        return self._object("POST", path, body={"fingerprint": fingerprint}, repeatable=True)

    def revoke(self, hostname: str) -> dict[str, Any]:
        """Revoke an agent, and return it; ``redis_user`` says what became of its Redis user."""
        return self._object("POST", path_of("/agent", hostname, "revoke"), repeatable=True)

    def remove_agent(self, hostname: str) -> None:
        """Forget an offline agent; raises ``Conflict`` while it is live, or work waits for it."""
        self._http.request("DELETE", path_of("/agent", hostname))
