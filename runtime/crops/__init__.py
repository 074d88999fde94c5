"""Images of any size to the size of the network and back."""
