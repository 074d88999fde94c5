"""Latency of whole models: backends in processes of their own, interleaved in one run."""
