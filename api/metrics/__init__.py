"""``/metrics``: the ledger's numbers, read at each scrape, and those of all server processes."""
