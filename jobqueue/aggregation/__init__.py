"""Aggregations: a SELECT in Spark's SQL over collections, run on DuckDB or on Spark, its rows merged into a collection.

``config`` reads a configuration, ``query`` makes its SQL safe and runnable, ``run`` is the order of events, ``source``
and ``output`` are what comes in and what goes out, ``engine`` is what runs a query.
"""
