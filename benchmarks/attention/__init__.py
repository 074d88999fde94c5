"""Benchmark of the attention operator alone, in all its implementations."""
