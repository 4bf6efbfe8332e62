"""One level-triggered reconciliation: observe, decide, act."""
