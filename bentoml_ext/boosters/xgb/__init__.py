"""XGBoost: its files, its estimators and its own predictions."""
