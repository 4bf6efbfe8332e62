"""Generates the CRD, its reference page and the jobs' chart's checks from the models, and pages of the charts."""
