"""Accept the kernels on a GPU: build, test, sanitize and time them in one go, without network."""
