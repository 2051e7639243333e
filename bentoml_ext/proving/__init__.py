"""Proving: a model's forms are compared with the booster, bit by bit."""
