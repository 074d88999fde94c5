"""What is installed, which GPUs there are, what a file is and whether it opens here."""
