"""Run an exported CSA model. NumPy in, NumPy out; no torch."""
