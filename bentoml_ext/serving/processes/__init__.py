"""Processes: the supervisor of `bentoml serve` and its workers."""
