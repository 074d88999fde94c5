"""Model repositories for Triton Inference Server, from exported models and their engines."""
