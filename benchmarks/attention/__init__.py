"""Measure the attention operator alone: every form of it, over holes, sizes, types and devices."""
