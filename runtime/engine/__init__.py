"""TensorRT engines: manifest, compatibility, execution contexts, sessions."""
