"""What surrounds a run: the device, the workspace with its checkpoints, progress, signals, and the last word."""
