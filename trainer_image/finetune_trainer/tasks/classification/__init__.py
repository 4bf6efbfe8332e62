"""What a text classifier is taught, one form a file: a label, labels, a number."""
