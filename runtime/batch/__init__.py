"""Repair image files: one job, a folder, a pipeline, a Ray cluster."""
