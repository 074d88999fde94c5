"""Checkpoint to ONNX, and the proof that nothing was lost on the way."""
