"""The operator in torch: forward, gradient, and its CUDA kernels."""
