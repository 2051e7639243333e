"""Streaming: requests and answers in Arrow and NDJSON."""
