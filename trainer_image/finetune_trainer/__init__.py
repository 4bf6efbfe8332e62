"""The trainer: takes one job file from data to a published model, and serves it."""
