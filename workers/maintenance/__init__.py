"""Maintenance: keeps the ledger consistent when processes die. Each service has a ``run_once``."""
