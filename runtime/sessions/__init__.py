"""The session interface, and its backends ONNX Runtime and OpenVINO."""
