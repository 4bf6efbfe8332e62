"""Children that are refused, changed by others, or somebody else's."""
