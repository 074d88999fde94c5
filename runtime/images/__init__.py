"""Image files and masks: decoding, encoding, metadata."""
