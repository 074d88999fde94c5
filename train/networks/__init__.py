"""Generators, discriminators, and the feature networks of the losses."""
