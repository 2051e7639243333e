"""A portfolio from Parquet to decisions: contestants, their stage and their figures."""
