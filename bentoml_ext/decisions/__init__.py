"""Decisions: a prediction becomes an answer."""
