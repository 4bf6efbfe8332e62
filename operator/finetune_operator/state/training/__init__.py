"""Where the run that the spec asks for stands: launched, superseded, retried, failed, done."""
