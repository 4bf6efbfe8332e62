"""The stages of a run: data, model, train, evaluate, export, push. They pass records; none imports another."""
