"""Parts of the documentation that are made from the code: ``python -m docs.generate``, or ``make reference``."""
