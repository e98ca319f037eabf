"""All modules of the product."""

from __future__ import annotations

import importlib
import pkgutil
import re
from types import ModuleType

import api
import jobqueue
import workers

#: They start programs, or need what is not installed.
_LEFT_OUT = re.compile(r"__main__$|\.spark_driver$")


def product_modules() -> list[ModuleType]:
    """Every module of ``api``, ``jobqueue`` and ``workers`` that can be imported without side effects."""
    found = []
    for package in (api, jobqueue, workers):
        names = [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
        found += [importlib.import_module(name) for name in names if not _LEFT_OUT.search(name)]
    return found
