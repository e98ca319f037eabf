"""What an entrypoint needs around it: its files, its Python packages, its variables."""
