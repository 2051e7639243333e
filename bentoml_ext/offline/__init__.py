"""Portfolios: many applications in Arrow, from files to files, in constant memory."""
