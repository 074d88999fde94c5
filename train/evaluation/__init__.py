"""Evaluation of models: the paper's metrics, and pictures of the best and worst cases."""
