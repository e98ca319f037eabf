"""Signatures: the API signs work, agents sign results, and each side knows only the other's public keys."""
