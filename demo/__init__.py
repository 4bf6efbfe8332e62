"""The demo: one example from nothing to a served model, on the embedded cluster or on yours (KUBECONFIG)."""
