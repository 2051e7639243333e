"""Proof: what a proof found, what is stored of it, and how bits are compared."""
