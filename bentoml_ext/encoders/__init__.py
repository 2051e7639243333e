"""Encoders: an application becomes a row of float32 features."""
