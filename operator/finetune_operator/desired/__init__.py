"""Pure builders: what should be in the cluster for a FineTuneJob, one file per child."""
