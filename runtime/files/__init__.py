"""Atomic writing, and headers of model files read without their frameworks."""
