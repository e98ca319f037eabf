"""The target language: which agents an expression names. ``docs/targets.md`` describes it.

The API evaluates the targets of jobs. An agent evaluates the conditions of steps for its own host
(``jobqueue/operations/step_condition.py``), and imports the parser only then. Regular expressions need the extra
``api``.
"""
