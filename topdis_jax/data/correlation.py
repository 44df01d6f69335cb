"""Batches in which some factors go together, to train on."""

import math

import numpy as np

from topdis_jax.data import pipeline
from topdis_jax.data.errors import DataError


def sampler(dataset, correlation):
    """What draws the images of a step, given pairs of correlated factors.

    The factors of the pairs have the joint probability

      p(f_i, f_j, ..) ~ prod exp(-(f_i / max_i - f_j / max_j)^2 / (2 sigma^2))

    over the pairs (i, j), with max the largest value of a factor; all others
    are uniform and independent (Traeuble et al., On Disentangled
    Representations Learned from Correlated Data, ICML 2021, Section 3). Every
    image is drawn on its own, hence with replacement. Each factor of a pair is
    by itself not quite uniform: its ends come 0.6 to 1 times as often as they
    would (the least at sigma 0.1 to 0.3), its middle at most 1.25 times.

    Args:
      dataset: FactorDataset.
      correlation: ((factor, factor, sigma), ...); factors are names, sigma is
        positive. () for none.

    Returns:
      (seed, step, batch_size, stream=0) -> indices [batch_size] int64, to be
      given to pipeline.batch as `draw`; None if there are no pairs.

    Raises:
      DataError: not such pairs of factors that the data set has.
    """
    if not correlation:
        return None
    pairs = [_check(dataset, pair) for pair in correlation]
    involved = sorted({i for pair in pairs for i in pair[:2]})
    # One random number for all correlated ones, and one for each other.
    table = np.cumsum(joint(dataset, correlation))
    sizes = np.array(dataset.factor_sizes)
    others = [i for i in range(len(sizes)) if i not in involved]

    def draw(seed, step, batch_size, stream=0):
        uniform = pipeline.uniform(seed, step, (batch_size, 1 + len(others)),
                                   stream=stream)
        cells = np.searchsorted(table, uniform[:, 0] * table[-1], 'right')
        factors = np.empty((batch_size, len(sizes)), np.int64)
        factors[:, involved] = np.stack(
            np.unravel_index(cells, sizes[involved]), axis=1)
        factors[:, others] = uniform[:, 1:] * sizes[others]
        return dataset.index_of(factors)

    return draw


def joint(dataset, correlation):
    """Probabilities of the correlated factors together.

    Args:
      dataset, correlation: as in `sampler`, with one pair at least.

    Returns:
      An array with an axis for each factor of the pairs, in the order of the
      data set; its sum is 1.

    Raises:
      DataError: as in `sampler`.
    """
    pairs = [_check(dataset, pair) for pair in correlation]
    involved = sorted({i for pair in pairs for i in pair[:2]})
    axes = np.meshgrid(*(np.linspace(0, 1, dataset.factor_sizes[i])
                         for i in involved), indexing='ij', sparse=True)
    logs = sum(-((axes[involved.index(i)] - axes[involved.index(j)]) / sigma)
               ** 2 / 2 for i, j, sigma in pairs)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _check(dataset, pair):
    """(i, j, sigma) of a pair, or DataError."""
    what = f'config.data.correlation: {pair!r}'
    if not isinstance(pair, (tuple, list)) or len(pair) != 3:
        raise DataError(f'{what} must be (factor, factor, sigma), as in '
                        '(("x", "y", 0.2),)')
    for name in pair[:2]:
        if name not in dataset.factor_names:
            known = ', '.join(dataset.factor_names) or 'none'
            raise DataError(f'{what}: {dataset.name} has no factor {name!r}; '
                            f'its factors are {known}')
        if dataset.factor_sizes[dataset.factor_names.index(name)] < 2:
            raise DataError(f'{what}: {name} has only one value')
    first, second = map(dataset.factor_names.index, pair[:2])
    sigma = pair[2]
    if first == second:
        raise DataError(f'{what} must have two different factors')
    if (isinstance(sigma, bool) or not isinstance(sigma, (int, float))
            or not 0 < sigma < math.inf):
        raise DataError(f'{what} must have a positive sigma')
    return first, second, sigma
