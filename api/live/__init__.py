"""Answers that go on while something happens."""
