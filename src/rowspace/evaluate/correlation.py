"""Correlations of what people say with what a model says."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def correlations(human: NDArray[np.float64], model: NDArray[np.float64]) -> tuple[float, float]:
    """Spearman's and Pearson's correlation, NaN where one side is constant.

    Parameters
    ----------
    human, model : (n,) float64 array
        Two numbers or more; equal ones share the mean of their ranks.
    """
    from scipy import stats

    if np.ptp(human) == 0 or np.ptp(model) == 0:
        return math.nan, math.nan
    return (
        float(stats.spearmanr(human, model).statistic),
        float(stats.pearsonr(human, model).statistic),
    )
