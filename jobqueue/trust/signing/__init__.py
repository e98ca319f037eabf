"""Signatures: the API signs work, agents sign results, and each side knows the other's public keys only."""
