"""Bento: what a bento carries, and what it installs."""
