"""``python -m api``: serve the API with the settings of the environment."""

from __future__ import annotations

import sys

from api.server import serve
from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings


def main() -> int:
    """Serve until stopped. Exit status 2: the settings are wrong, and standard error says how."""
    try:
        settings = Settings.from_env()
        serve(settings)
    except InvalidSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
