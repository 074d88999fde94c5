"""Image files through one model: one job, a folder, a pipeline."""
