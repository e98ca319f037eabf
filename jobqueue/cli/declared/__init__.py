"""Records that are declared in files: reading the files, comparing them with what is stored, and applying them."""
