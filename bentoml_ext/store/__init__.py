"""Store: the bundles in BentoML's model store."""
