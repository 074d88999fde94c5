"""Parity checks: cases, comparison, limits, report."""
