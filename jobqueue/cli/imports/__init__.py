"""Translates the jobs of other systems into files for ``jobqueue apply``. Nothing here speaks to the API."""
