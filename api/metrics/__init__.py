"""What ``/metrics`` tells: the ledger's numbers, read when they are asked for, and those of all server processes."""
