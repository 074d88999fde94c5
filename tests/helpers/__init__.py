"""Inputs and models that several test folders share."""
