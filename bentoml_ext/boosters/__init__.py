"""Boosters: a trained model becomes an Ensemble."""
