"""Answers that continue while something happens."""
