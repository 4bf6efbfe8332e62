"""Python of the user's own: taken into the workspace once, and run as a metric or a reward."""
