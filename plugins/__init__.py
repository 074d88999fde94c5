"""The CSA operator: what it means (spec, NumPy oracle) and the exceptions of all layers."""
