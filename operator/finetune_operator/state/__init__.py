"""Pure decisions about a FineTuneJob: what was observed in, what to do and to report out. One file per decision."""
