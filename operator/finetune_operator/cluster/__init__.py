"""The only part that talks to the API server; everything else sees the interface in `port`."""
