"""The use cases: how they are named."""

from __future__ import annotations

import dataclasses
import re

from jobqueue.services.services import Services

#: Two whose types are not classes of this project's own use cases: a function, and one that may be missing.
_TYPES = {"measures": "Measures", "bucket_keeper": "BucketKeeper"}


def test_each_is_named_by_words_of_its_class() -> None:
    """``saved_jobs`` is a ``SavedJobManager``, ``submitter`` a ``JobSubmitter``: nouns, never verbs."""
    for field in dataclasses.fields(Services):
        words = re.findall("[A-Z][a-z]+", _TYPES.get(field.name, str(field.type)))
        known = {word.lower() for word in words} | {f"{word.lower()}s" for word in words}
        assert set(field.name.split("_")) <= known, (field.name, field.type)
