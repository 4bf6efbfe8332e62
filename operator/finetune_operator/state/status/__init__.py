"""What the status tells, and what is told beside it: Events, counters, series."""
