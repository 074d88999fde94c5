"""The packaged demo model."""
