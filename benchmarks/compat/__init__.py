"""Compatibility: what holds on which Python and with which libraries, from the oldest on."""
