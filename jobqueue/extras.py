"""The optional extras: the packages that each needs, and the error if they are missing."""

from __future__ import annotations

import importlib.util

from jobqueue.errors import JobQueueError

#: Extra -> the modules that its code imports; setup.cfg names the distributions.
MODULES = {
    "api": (
        *("flask", "flask_smorest", "apispec", "werkzeug", "jinja2", "flask_swagger_ui"),
        *("gunicorn", "gevent", "wsproto", "argon2", "jwt", "cryptography", "lark", "re2", "cronsim"),
    ),
    "aggregation": ("duckdb", "sqlglot"),
    "apply": ("yaml",),
    "environments": ("uv",),
    "flower": ("flower",),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter"),
}
_MOST_SHOWN = 2


def lacking(extra: str) -> tuple[str, ...]:
    """The modules of ``extra`` that are not installed."""
    return tuple(module for module in MODULES[extra] if not _is_installed(module))


def lack(what: str, extra: str, install: str | None = None) -> str | None:
    """A sentence that says what ``what`` lacks and how to install it; None if nothing is missing.

    ``install`` is the extra to install, where that is another one that holds ``extra``.
    """
    found = lacking(extra)
    if not found:
        return None
    wanted = install or extra
    return (
        f"{what} needs {_listed(found)}, not installed here: pip install 'jobqueue[{wanted}]' "
        f"(in a clone: pip install '.[{wanted}]')."
    )


def require(what: str, extra: str, install: str | None = None) -> None:
    """Raise ``JobQueueError`` unless everything of ``extra`` is installed; ``what`` begins its sentence."""
    sentence = lack(what, extra, install)
    if sentence:
        raise JobQueueError(sentence)


def _is_installed(module: str) -> bool:
    """Whether the module could be imported. Only its parent packages are imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it
        return False


def _listed(names: tuple[str, ...]) -> str:
    shown, more = names[:_MOST_SHOWN], len(names) - _MOST_SHOWN
    if more > 0:
        return f"{', '.join(shown)} and {more} more packages"
    return " and ".join(shown)
