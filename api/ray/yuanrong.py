"""openYuanrong's variant: how to distinguish its client from Ray's, and its differences.

Both clients call the same paths with the same library and send no header of their own; only their submissions differ.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any

from flask import g, has_request_context, request

from jobqueue.errors import InvalidInput

#: What its server puts in front of every submission id.
PREFIX = "app-"
#: Fields of a submission that Ray does not have.
OWN_FIELDS = ("labels", "createOptions", "function_id")
_ID = re.compile(r"[a-z0-9-]{1,64}")
_RESERVED = "driver"
_LISTING = "/api/jobs"
_JOBS = "/api/jobs/"
_FLAG = "speaks_yuanrong"
#: By this header a caller identifies itself as openYuanrong's client, regardless of its body.
CLIENT_HEADER = "X-Jobqueue-Client"
CLIENT = "openyuanrong"
#: KubeRay's client sends its token in this header, and decodes Ray's own shapes only.
KUBERAY_HEADER = "X-Ray-Authorization"


def is_submission(body: Mapping[str, Any]) -> bool:
    """Whether openYuanrong's client has written this body for a submission, without what is null."""
    if any(name in body for name in OWN_FIELDS):
        return True
    name = body.get("submission_id")
    if isinstance(name, str) and name.startswith(PREFIX):
        return True
    environment = body.get("runtime_env")
    if isinstance(environment, Mapping):
        location = environment.get("working_dir")
        # Ray's client uploads a folder and sends its URI, and parses pip itself
        is_path = isinstance(location, str) and location.startswith("/")
        return is_path or "envVars" in environment or isinstance(environment.get("pip"), str)
    # Ray's client always sends runtime_env, KubeRay's sends no metadata that are empty
    return environment is None and body.get("metadata") == {}


def is_kuberay() -> bool:
    """Whether this request comes from KubeRay's client, which must get every job in Ray's shape."""
    return KUBERAY_HEADER in request.headers and not _is_named()


def _is_named() -> bool:
    return request.headers.get(CLIENT_HEADER, "").lower() == CLIENT


def speak() -> None:
    """Answer this request as openYuanrong's server does, errors included."""
    setattr(g, _FLAG, True)


def is_spoken() -> bool:
    """Whether this request comes from its client, as far as it is known by now."""
    if not has_request_context():
        return False
    path = request.path
    is_one_of_its_jobs = path.startswith(_JOBS + PREFIX) and not is_kuberay()
    return _is_named() or path == _LISTING or is_one_of_its_jobs or bool(g.get(_FLAG, False))


def new_id() -> str:
    """A new submission id, as its server makes them."""
    return f"{PREFIX}{uuid.uuid4()}"


def checked_id(text: str) -> str:
    """The submission id that its server makes of the one that a caller gives. Raises ``InvalidInput``."""
    name = text if text.startswith(PREFIX) else f"{PREFIX}{text}"
    if _RESERVED in text:
        sentence = f"{text[:80]!r} must not contain {_RESERVED!r}; choose another id."
    elif not _ID.fullmatch(name):
        sentence = (
            f"{name[:80]!r} must be 1 to 64 lower-case letters, digits and hyphens, {PREFIX!r} in front included."
        )
    else:
        return name
    raise InvalidInput.of("submission_id", sentence)


def runtime_env(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The job's runtime environment with the working directory as a URI: it names one on the host by its path."""
    document = dict(variables)
    location = document.get("working_dir")
    if isinstance(location, str) and location.startswith("/"):
        document["working_dir"] = f"file://{_quoted(location)}"
    return document


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
