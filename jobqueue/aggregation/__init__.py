"""Aggregations: a SELECT in Spark's SQL over collections, run on DuckDB or on Spark, its rows merged into a collection.

``config`` parses a configuration, ``query`` checks and prepares its SQL, ``run`` executes the steps, ``source`` and
``output`` are the input and output rows, ``engine`` runs a query.
"""
