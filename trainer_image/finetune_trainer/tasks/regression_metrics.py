"""Figures of a model that tells numbers, by scikit-learn and SciPy."""

import numpy as np
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score


def regression_figures(predictions: list[float], truth: list[float]) -> dict[str, float]:
    """Judge predictions. A figure that is not defined, since all numbers are the same, is left out."""
    error = float(mean_squared_error(truth, predictions))
    figures = {"r2": None, "pearson": None, "mse": error, "mae": float(mean_absolute_error(truth, predictions))}
    if np.ptp(truth) > 0:
        figures["r2"] = float(r2_score(truth, predictions))
        if np.ptp(predictions) > 0:
            figures["pearson"] = float(pearsonr(truth, predictions).statistic)
    return {"loss": error} | {name: value for name, value in figures.items() if value is not None}
