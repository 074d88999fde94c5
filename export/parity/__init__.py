"""The proof of parity: cases, comparison, limits, report."""
