"""Generators, discriminators, and the networks whose features losses compare."""
