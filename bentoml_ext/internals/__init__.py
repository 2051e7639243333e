"""Internals: every name of BentoML that BentoML does not promise to keep."""
