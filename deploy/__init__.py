"""The plain way to install the operator: manifests that are made from its chart."""
