"""The credit model: what an application is, where the data come from, and training."""
