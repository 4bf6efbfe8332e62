"""Texts in token ids: what a column holds, what is cut off, what is batched together."""
