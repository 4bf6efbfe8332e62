"""Generates the CustomResourceDefinition and its reference page from the models, and pages of the charts."""
