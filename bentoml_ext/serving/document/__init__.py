"""Document: what a service says of itself."""
