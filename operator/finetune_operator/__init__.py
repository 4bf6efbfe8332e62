"""The operator: watches FineTuneJobs and brings about what they ask for."""

__version__ = "0.1.0"
