"""Formats: bytes become blocks of applications, and answers become bytes."""
