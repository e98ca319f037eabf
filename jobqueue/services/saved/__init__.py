"""Saved jobs: their parameters, their templates, and the jobs that are made from them."""
