"""Files of each format, row by row, each row with the line by which a person finds it."""
