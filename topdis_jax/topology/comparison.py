"""Divergences of two point clouds: distances, scaling, subsets, repeats.

The divergences themselves are in topology/divergences.py. Their names are here
for `compare`, with all bars and RTD's min form, and in losses/divergences.py
for the TopDis loss, with the bars and forms that it is given.
"""

from collections.abc import Callable
import functools
from typing import NamedTuple

import jax
from jax.typing import ArrayLike
import numpy as np

from topdis_jax.topology import divergences, lite, validity
from topdis_jax.topology.distances import pairwise_distances
from topdis_jax.topology.distances import scale_by_quantile


class Comparison(NamedTuple):
    """The divergence of two clouds on random subsets.

    Attributes:
      mean, std: of the values; the deviation has n - 1 in the denominator and
        is 0 for one value.
      values: [repeats] float64.
    """
    mean: float
    std: float
    values: np.ndarray


def compare(x: ArrayLike, y: ArrayLike, *,
            divergence: str | Callable = 'rtd',
            quantile: float | None = 0.9, subset: int | None = 500,
            repeats: int = 10, seed: int = 0,
            progress: Callable | None = None) -> Comparison:
    """Compares two representations of the same points by their topology.

    Distances of random subsets of the rows, the same rows of both clouds, are
    divided by one of their quantiles and compared. Only a subset is ever held
    as distances, so that the number of rows does not matter.

    Args:
      x: [n, ...] real, a representation.
      y: [n, ...] real, another one of the same n points, of any dimensions.
        'mtop_div' compares clouds without correspondence, of any numbers of
        points, but of one dimension.
      divergence: 'rtd' (min form, all bars, both directions), 'srtd',
        'rtd_lite', 'nts', 'mtop_div' (the mean of both directions), or a
        function of two distance matrices; one of `losses.topdis_loss`, which
        takes a mask as well, needs a default for it.
      quantile: what divides each cloud's distances; None: nothing.
      subset: rows of a subset; None, or n and more: all rows, once.
      repeats: subsets.
      seed: of the subsets.
      progress: wraps the iterable of repeats, as tqdm does.

    Returns:
      Comparison.

    Raises:
      ValueError: different numbers of rows, fewer than two, values that are
        not finite, or options out of their range.
    """
    x, y = _as_cloud('x', x), _as_cloud('y', y)
    function = _function(divergence)
    validity.check_count('repeats', repeats)
    if subset is not None:
        validity.check_count('subset', subset, least=2)
    if divergence == 'mtop_div':
        if x.shape[1] != y.shape[1]:
            raise ValueError("'mtop_div' needs clouds of one dimension, "
                             f'received {x.shape[1]} and {y.shape[1]}; the '
                             'other divergences take any two')
    elif len(x) != len(y):
        raise ValueError('x and y must have the same rows, received '
                         f"{len(x)} and {len(y)}; 'mtop_div' compares clouds "
                         'of any numbers of rows')
    whole = subset is None or subset >= max(len(x), len(y))
    x, y = _singles(x, y, together=divergence == 'mtop_div')
    rounds, values = range(1 if whole else repeats), []
    for repeat in progress(rounds) if progress else rounds:
        rng = np.random.default_rng((seed, repeat))
        rows = [_rows(rng, len(x), subset)]
        rows.append(_rows(rng, len(y), subset) if divergence == 'mtop_div'
                    else rows[0])
        values.append(float(function(x[rows[0]], y[rows[1]], quantile)))
    std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Comparison(float(np.mean(values)), std, np.asarray(values))


def _as_cloud(name, x):
    """[n, d] of finite numbers."""
    x = np.asarray(x)
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(f'{name} must have shape [n, ...] with at least two '
                         f'rows, received {x.shape}')
    if x.dtype.kind not in 'fiub':
        raise ValueError(f'{name} must hold real numbers, received {x.dtype}')
    x = x.reshape(len(x), -1)
    validity.check_finite(name, x, '; leave out the rows that are not')
    return x


def _singles(x, y, together):
    """Both clouds in float32, near 0 if they lie far from it.

    Distances do not see where a cloud lies, or both where they are compared
    point by point, but float32 does.
    """
    if together:
        middle = _middle(np.concatenate([x, y]))
        middles = middle, middle
    else:
        middles = _middle(x), _middle(y)
    with np.errstate(over='ignore'):
        clouds = [np.asarray(cloud - middle, np.float32)
                  for cloud, middle in zip((x, y), middles)]
    for name, cloud in zip('xy', clouds):
        validity.check_finite(f'{name} in float32', cloud, '; make its unit '
                              'larger')
    return clouds


def _middle(x):
    """The mean [d] of a cloud that lies far from 0; of others 0."""
    with np.errstate(over='ignore', invalid='ignore'):
        middle = np.mean(x, axis=0, dtype=np.float64)
        far = 8 * np.max(np.abs(x - middle)) < np.max(np.abs(x))
    return middle if far else 0.0


def _rows(rng, count, subset):
    if subset is None or subset >= count:
        return np.arange(count)
    return np.sort(rng.choice(count, subset, replace=False))


def _function(divergence):
    """A function (x, y, quantile) -> divergence of clouds [m, d]."""
    if divergence == 'mtop_div':
        return _mtop_div_of_clouds
    if callable(divergence):
        of_distances = divergence
    elif divergence in _OF_DISTANCES:
        of_distances = _OF_DISTANCES[divergence]
    else:
        raise ValueError(
            f'divergence must be one of {NAMES} or a function, received '
            f'{divergence!r}')

    def of_clouds(x, y, quantile):
        return of_distances(_distances(x, quantile), _distances(y, quantile))

    return of_clouds


def _mtop_div_of_clouds(x, y, quantile):
    dist = _distances(np.concatenate([x, y]), quantile)
    in_x = np.arange(len(dist)) < len(x)
    return (_mtop_div(dist, in_x) + _mtop_div(dist, ~in_x)) / 2


def _distances(x, quantile):
    dist = pairwise_distances(x)
    return dist if quantile is None else scale_by_quantile(
        dist, quantile=quantile)


_mtop_div = jax.jit(divergences.mtop_div)
_OF_DISTANCES: dict[str, Callable] = {
    'rtd': functools.partial(divergences.rtd, forms='min', num_bars=None),
    'srtd': functools.partial(divergences.srtd, num_bars=None),
    'rtd_lite': jax.jit(lite.rtd_lite),
    'nts': lite.nts,
}
NAMES = (*_OF_DISTANCES, 'mtop_div')
