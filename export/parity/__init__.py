"""The proof that nothing was lost: cases, comparison, limits, report."""
