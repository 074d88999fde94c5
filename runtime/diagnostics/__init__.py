"""Reports on installed packages, GPUs and model files: ``csakit doctor`` and ``inspect``."""
