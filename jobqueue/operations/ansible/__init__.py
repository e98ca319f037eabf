"""Modules of ansible-core, run as programs of a Python environment of their own."""
