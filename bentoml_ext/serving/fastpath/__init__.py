"""Fast path: simple requests are answered in front of BentoML."""
