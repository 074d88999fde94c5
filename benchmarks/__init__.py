"""Measure csakit, and print what was promised beside what was measured."""
