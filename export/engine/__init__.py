"""TensorRT engines: configuration, build, precision audit, manifest."""
