"""The optional extras: the packages that each needs, and the error if they are missing."""

from __future__ import annotations

import importlib.util

from jobqueue.errors import JobQueueError

#: Extra -> the modules that its code imports; setup.cfg names the distributions.
MODULES = {
    "api": (
        *("flask", "flask_smorest", "apispec", "werkzeug", "jinja2", "markupsafe", "flask_swagger_ui"),
        *("gunicorn", "gevent", "wsproto", "argon2", "jwt", "cryptography", "re2", "cronsim"),
    ),
    "aggregation": ("duckdb", "sqlglot"),
    "apply": ("yaml",),
    "templates": ("jinja2",),
    "environments": ("uv",),
    "notifications": ("apprise",),
    "s3": ("obstore",),
    "flower": ("flower",),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter"),
}
_MOST_SHOWN = 2


def lacking(extra: str) -> tuple[str, ...]:
    """The modules of ``extra`` that are not installed."""
    return tuple(module for module in MODULES[extra] if not _is_installed(module))


def lack(feature: str, extra: str, install: str | None = None) -> str | None:
    """A sentence that says what ``feature`` lacks and how to install it; None if nothing is missing.

    ``install`` is the extra to install, where that is another one that holds ``extra``.
    """
    missing = lacking(extra)
    if not missing:
        return None
    option = install or extra
    return (
        f"{feature} needs {_listed(missing)}, not installed here: pip install 'jobqueue[{option}]' "
        f"(in a clone: pip install '.[{option}]')."
    )


def require(feature: str, extra: str, install: str | None = None) -> None:
    """Raise ``JobQueueError`` unless everything of ``extra`` is installed; ``feature`` begins its sentence."""
    sentence = lack(feature, extra, install)
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
