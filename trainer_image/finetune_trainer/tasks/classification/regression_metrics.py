"""Figures of a model that tells numbers, by scikit-learn and NumPy."""

import numpy as np
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score


def regression_figures(predictions: list[float], truth: list[float]) -> dict[str, float]:
    """Judge predictions. A figure that is not defined, since all numbers are the same, is left out."""
    error = float(mean_squared_error(truth, predictions))
    figures = {"mse": error, "mae": float(mean_absolute_error(truth, predictions)), "loss": error}
    if np.ptp(truth) > 0:
        figures["r2"] = float(r2_score(truth, predictions))
        if np.ptp(predictions) > 0:
            figures["pearson"] = float(np.corrcoef(truth, predictions)[0, 1])
    return figures
