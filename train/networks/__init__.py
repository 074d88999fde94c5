"""Generators, discriminators, and the VGG-16 that losses compare features in."""
