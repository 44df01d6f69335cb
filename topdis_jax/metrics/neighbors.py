"""Mutual information of real numbers and classes, by nearest neighbors.

The estimate of Ross 2014 (PLoS ONE 9(2): e87357), with the values of
scikit-learn's mutual_info_classif. That builds a search tree for each latent
and class; on one axis, sorting does the same in a tenth of the time.
"""

import numpy as np

_NOISE = 1e-10  # standard deviations; tells equal codes apart


def mutual_information(codes: np.ndarray, labels: np.ndarray,
                       neighbors: int, seed: int) -> np.ndarray:
    """Mutual information I[i, j] of latent i and factor j, by neighbors.

    For each row, m is the number of rows of any class that are nearer than
    the `neighbors`-th nearest of its own class, itself included; a smaller
    class has all its rows as neighbors, k of them. With c the size of its
    class, and psi the digamma function,

      I = max(0, psi(n) + mean psi(k) - mean psi(c) - mean psi(m)).

    Rows that are alone in their class are left out.

    Args:
      codes: [n, d] float64, standardized.
      labels: [n, k] integers; no column has n different ones.
      neighbors: at least 1.
      seed: of noise of 1e-10, which tells equal codes apart.

    Returns:
      [d, k] float64, nats.
    """
    noise = np.random.RandomState(seed).standard_normal(codes.shape)
    codes = codes + _NOISE * noise
    return np.stack([_of_factor(codes, column, neighbors)
                     for column in labels.T], axis=1)


def _of_factor(codes, labels, neighbors):
    """Mutual information [d] of each latent with one factor."""
    from scipy import special  # scikit-learn requires it

    _, inverse, counts = np.unique(labels, return_inverse=True,
                                   return_counts=True)
    kept = counts[inverse] > 1
    codes, inverse = codes[kept], inverse[kept]
    rows, sizes = len(codes), counts[inverse]
    radius = np.empty(codes.shape)
    for value in np.unique(inverse):
        place = np.flatnonzero(inverse == value)
        radius[place] = _distances(codes[place], neighbors)
    nearer = np.stack([_count(column, reach) for column, reach
                       in zip(codes.T, radius.T)], axis=1)
    known = (special.digamma(rows)
             + special.digamma(np.minimum(neighbors, sizes - 1)).mean()
             - special.digamma(sizes).mean()
             - special.digamma(nearer).mean(axis=0))
    return np.maximum(known, 0.0)


def _distances(codes, neighbors):
    """Distance of each of [n, d], column by column, to its k-th nearest."""
    order = np.argsort(codes, axis=0)
    values = np.take_along_axis(codes, order, axis=0)
    count = len(values)
    k = min(neighbors, count - 1)
    # The k nearest and the point itself are k + 1 in a row; the farther end
    # of the best such window is the k-th nearest.
    low, high = values[:count - k], values[k:]
    nearest = np.full(values.shape, np.inf)
    for place in range(k + 1):  # of the point in the window
        point = slice(place, place + count - k)
        farther = np.maximum(values[point] - low, high - values[point])
        np.minimum(nearest[point], farther, out=nearest[point])
    result = np.empty_like(nearest)
    np.put_along_axis(result, order, nearest, axis=0)
    return result


def _count(values, radius):
    """How many of [n] are nearer to each than its radius, itself included."""
    ordered = np.sort(values)
    # The row at the radius itself is out, whichever way the sums round.
    radius = radius - np.spacing(np.abs(values) + radius)
    return np.maximum(np.searchsorted(ordered, values + radius, 'left')
                      - np.searchsorted(ordered, values - radius, 'right'), 1)
