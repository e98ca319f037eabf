"""How many examples the property tests try: few enough for every change, and more where a run may take longer."""

from __future__ import annotations

import os

VARIABLE = "TEST_EXAMPLES"


def examples(number: int) -> int:
    """``number``, times what ``TEST_EXAMPLES`` says (default 1; 4 is meant for a run each night); at least 1.

    Raises ``ValueError`` for a value that is no positive number.
    """
    text = os.environ.get(VARIABLE, "1")
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise ValueError(f"{VARIABLE}={text} is no positive number; set it to 4 for four times as many examples.")
    return max(1, round(number * factor))
