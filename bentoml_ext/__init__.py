"""Serve a gradient-boosted model as native XGBoost or ONNX: the same bits, swapped by one word."""
