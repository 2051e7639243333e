"""Releases: which version of a model each name means, and how names move."""
