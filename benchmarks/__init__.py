"""Measurements that the documentation is written from."""
