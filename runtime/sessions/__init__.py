"""One interface to run a model, and its backends on ONNX Runtime and OpenVINO."""
