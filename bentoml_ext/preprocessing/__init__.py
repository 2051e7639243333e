"""Preprocessing: the fitted steps of scikit-learn ahead of a booster become an encoder."""
