"""What is read from pods, their Events and their nodes: how they ended, and why they do not start."""
