"""Maintenance: what keeps the ledger's promises when processes die. Each service is a ``run_once``."""
