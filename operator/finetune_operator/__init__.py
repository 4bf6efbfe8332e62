"""The operator: watches FineTuneJobs and brings about what they ask for."""
