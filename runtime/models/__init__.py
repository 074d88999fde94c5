"""The models that come along with the package."""
