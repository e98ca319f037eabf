"""The target language: which agents an expression names. ``docs/targets.md`` describes it.

Only the API evaluates expressions: agents and the command line do not import this package, whose parser is part of the
extra ``api``.
"""
