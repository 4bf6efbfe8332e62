"""Which model is served, by which image, and why it is not."""
