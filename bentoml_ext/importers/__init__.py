"""Importers: a model that was saved in another way becomes a bundle."""
