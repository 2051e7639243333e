"""Trees scored in C, with the bits of XGBoost: a form and a backend for bentoml-ext."""
