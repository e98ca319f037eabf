"""The environment of an entrypoint: its files, Python packages and variables."""
