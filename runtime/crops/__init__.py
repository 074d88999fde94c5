"""Repair images of any size with a network of one size: crops, scaling, blending."""
