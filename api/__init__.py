"""The HTTP API: routes parse, mappings translate, ``jobqueue.services`` acts."""
