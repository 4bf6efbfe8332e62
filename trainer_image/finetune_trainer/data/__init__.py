"""Data files to checked rows."""
