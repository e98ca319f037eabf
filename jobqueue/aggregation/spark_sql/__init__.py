"""Spark's SQL (ANSI mode off, time zone UTC) for DuckDB, as far as the two are proved equal; all else is refused.

``functions`` and ``aggregates`` are the tables of what is allowed, ``casts`` and ``operators`` the rest of expressions,
``relations`` is SELECT with its clauses, and ``macros.sql`` holds what DuckDB needs to compute as Spark does.
"""
