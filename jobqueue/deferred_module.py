"""A module that is executed when it is first used, not when it is imported."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from threading import RLock
from types import ModuleType
from typing import Any


class _Deferred(ModuleType):
    """Executed when an attribute is read that it lacks. ``importlib.util.LazyLoader`` would already execute a package
    when one of its modules is imported, and in Python 3.11 fails if two threads read at once."""

    def __getattr__(self, name: str) -> Any:
        known = vars(self)
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with known["__deferred_lock__"]:
            if not known["__deferred_executed__"]:
                known["__deferred_executed__"] = True  # modules that it imports may import it
                try:
                    known["__loader__"].exec_module(self)
                except BaseException:
                    known["__deferred_executed__"] = False
                    raise
        try:
            return known[name]
        except KeyError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None


def defer(package: str, name: str) -> None:
    """Execute module ``name`` of an installed ``package`` when it is first used.

    Its submodules can be imported without it. It changes nothing if one of the two was imported before, or is absent.
    """
    full_name = f"{package}.{name}"
    if package in sys.modules or full_name in sys.modules:
        return
    parent = find_spec(package)
    spec = parent and PathFinder.find_spec(full_name, parent.submodule_search_locations)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    vars(module).update(__deferred_lock__=RLock(), __deferred_executed__=False)
    module.__class__ = _Deferred
    sys.modules[full_name] = module
