"""Statistics of two arms of an experiment that share their seeds."""

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean and the ends of its confidence interval."""
    mean: float
    low: float
    high: float


def mean_and_deviation(values):
    """Mean and standard deviation (of a sample: n - 1); NaN for one value."""
    values = np.asarray(values, float)
    if values.ndim != 1 or len(values) < 1:
        raise ValueError(f'values must be [n], n > 0, received {values.shape}')
    deviation = values.std(ddof=1) if len(values) > 1 else np.nan
    return float(values.mean()), float(deviation)


def bootstrap(values, *, level=0.95, resamples=10_000, seed=0):
    """Percentile bootstrap interval of the mean.

    B. Efron, R. Tibshirani: An Introduction to the Bootstrap (1993), 13.3. Of
    few values it is too narrow: by a factor of sqrt(1 - 1 / n) for the
    deviation alone, and never beyond the least and the largest of them.

    Args:
      values: [n]; differences of pairs, for a paired comparison.
      level: probability of the interval.
      resamples: how many samples are taken, n values each.
      seed: of the samples.

    Returns:
      Interval; its ends are NaN for one value.
    """
    values = np.asarray(values, float)
    mean, _ = mean_and_deviation(values)
    if len(values) < 2:
        return Interval(mean, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    sampled = rng.integers(len(values), size=(resamples, len(values)))
    tail = (1 - level) / 2
    low, high = np.quantile(values[sampled].mean(axis=1), (tail, 1 - tail))
    return Interval(mean, float(low), float(high))
