"""Pipelines: scikit-learn's steps ahead of a booster become ONNX nodes."""
