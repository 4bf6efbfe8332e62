"""Builds the real images where no registry can be reached: a Debian base from packages, then the Dockerfiles."""
