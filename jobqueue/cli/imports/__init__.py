"""Converts the jobs of other systems to files for ``jobqueue apply``. Nothing here calls the API."""
