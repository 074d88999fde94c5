"""Latency of whole models: rivals in processes of their own, taking turns in one run."""
