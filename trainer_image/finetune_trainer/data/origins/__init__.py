"""What the URIs of a block of the spec stand for: files, patterns, splits of the Hub."""
