"""Predictions: versions that answer a value, an order or a class, by their own measures."""
