"""Statistics of two arms of an experiment that share their seeds."""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

_EXACT = 40  # so many values have all their signs tried
_FLIPS = 1_000_000  # random signs of more values
_AT_ONCE = 100_000
_ROUNDING = 1e-9


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


def t_interval(values, *, level=0.95):
    """Student's t-interval of the mean.

    It covers as often as it says for any number of normal values.

    Args:
      values: [n]; differences of pairs, for a paired comparison.
      level: probability of the interval.

    Returns:
      Interval; its ends are NaN for one value.
    """
    mean, deviation = mean_and_deviation(values)
    n = len(values)
    half = stats.t.ppf((1 + level) / 2, n - 1) * deviation / np.sqrt(n)
    return Interval(mean, float(mean - half), float(mean + half))


def t_test(values):
    """Two-sided p of the one-sample t-test of mean 0; NaN for one value."""
    mean, deviation = mean_and_deviation(values)
    if deviation == 0:
        return float(mean == 0)
    n = len(values)
    return float(2 * stats.t.sf(abs(mean) * np.sqrt(n) / deviation, n - 1))


def sign_flip_test(values, *, flips=_FLIPS, seed=0):
    """Two-sided p of the sign-flip test: is the mean 0?

    Without an effect, a difference could as well have the other sign. p is the
    share of all 2^n choices of signs that give a mean at least as far from 0,
    so at least 2^(1 - n). Of more than 40 values, random signs are taken in
    place of all. R. A. Fisher: The Design of Experiments (1935), section 21.

    Args:
      values: [n]; differences of pairs.
      flips: how many random choices of signs, for more than 40 values.
      seed: of the random signs.

    Returns:
      float; NaN if a value is not finite.
    """
    values = np.asarray(values, float)
    if not np.isfinite(values).all():
        return math.nan
    target = abs(values.sum()) - _ROUNDING * np.abs(values).sum()
    if target <= 0:
        return 1.0
    if len(values) <= _EXACT:
        return 2 * _count_sums(values, target) / 2.0 ** len(values)
    rng = np.random.default_rng(seed)
    reached = sum(
        np.count_nonzero(np.abs(rng.choice(
            (-1.0, 1.0), (size, len(values))) @ values) >= target)
        for size in _sizes(flips))
    return (1 + reached) / (1 + flips)  # the signs as they are count


def _count_sums(values, target):
    """How many of the 2^n sums of ±values are at least `target`."""
    half = len(values) // 2
    left, right = _all_sums(values[:half]), _all_sums(values[half:])
    right.sort()
    return int((len(right) - np.searchsorted(right, target - left)).sum())


def _all_sums(values):
    """The 2^n sums of ±values."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _sizes(total):
    """Parts of `total`, each at most _AT_ONCE."""
    return [min(_AT_ONCE, total - start)
            for start in range(0, total, _AT_ONCE)]


def holm(p_values):
    """Holm's correction of p-values for testing all of them.

    S. Holm: A Simple Sequentially Rejective Multiple Test Procedure (1979).

    Args:
      p_values: [n]; NaN stays NaN and does not count.

    Returns:
      list of n corrected p-values.
    """
    p_values = np.asarray(p_values, float)
    found = np.full(len(p_values), np.nan)
    order = [i for i in np.argsort(p_values) if not np.isnan(p_values[i])]
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        found[i] = largest
    return found.tolist()
