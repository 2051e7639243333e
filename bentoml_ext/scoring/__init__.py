"""Scoring: an opened bundle answers applications, once it has passed its self-test."""
