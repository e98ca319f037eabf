"""jobqueue: run operations on fleets of hosts, and see per host what happened.

The public names for authors of operations: ``operation``, ``Context``, ``Outcome``, ``Schema``, and the errors that an
operation may raise. They are imported on first use, so that a client does not pay for them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobqueue.errors import OperationFailed as OperationFailed
    from jobqueue.errors import OperationNotSupported as OperationNotSupported
    from jobqueue.operations.base import Operation as Operation
    from jobqueue.operations.base import operation as operation
    from jobqueue.operations.context import Context as Context
    from jobqueue.operations.outcome import Outcome as Outcome
    from jobqueue.operations.schema import Schema as Schema

__version__ = "0.1.0"

_EXPORTS = {
    "Context": "jobqueue.operations.context",
    "Operation": "jobqueue.operations.base",
    "OperationFailed": "jobqueue.errors",
    "OperationNotSupported": "jobqueue.errors",
    "Outcome": "jobqueue.operations.outcome",
    "Schema": "jobqueue.operations.schema",
    "operation": "jobqueue.operations.base",
}
__all__ = [
    "Context",
    "Operation",
    "OperationFailed",
    "OperationNotSupported",
    "Outcome",
    "Schema",
    "__version__",
    "operation",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)
