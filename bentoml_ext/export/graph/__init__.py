"""Graph: an Ensemble becomes ONNX nodes."""
