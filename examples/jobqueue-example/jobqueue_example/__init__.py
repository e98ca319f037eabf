"""Operations of one's own: a worked example."""
