"""The routes: what clients send, what they are answered, and what is counted."""
