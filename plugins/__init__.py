"""The CSA operator: specification, NumPy reference and native libraries; csakit's exceptions."""
