"""Objectives: a margin becomes a prediction, in XGBoost's bits."""
