"""The parsed FineTuneJob, and what FineTuneJobs see of each other; read by builders and decisions alike."""
