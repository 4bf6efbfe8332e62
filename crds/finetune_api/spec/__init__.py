"""`spec` of a FineTuneJob, a block a file; `job` puts them together."""
