"""The use cases. Every API, and through it the CLI, ends here."""

from jobqueue.services.facade import Services

__all__ = ["Services"]
