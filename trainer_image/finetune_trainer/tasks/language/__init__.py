"""Models that write: how they are loaded, taught token by token, packed, and judged."""
