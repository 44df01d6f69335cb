"""Training batches in which some factors are correlated."""

from collections.abc import Sequence
import math

import numpy as np

from topdis_jax.data import pipeline
from topdis_jax.data.errors import DataError
from topdis_jax.data.factors import FactorDataset
from topdis_jax.suggestions import did_you_mean


def sampler(dataset: FactorDataset,
            correlation: Sequence[Sequence]) -> pipeline.Sampler | None:
    """A function that samples the images of a step with correlated factors.

    The factors of the pairs have the joint probability

      p(f_i, f_j, ..) ~ prod exp(-(f_i / max_i - f_j / max_j)^2 / (2 sigma^2))

    over the pairs (i, j), where max is the largest value of a factor; all
    other factors are uniform and independent (Traeuble et al., On Disentangled
    Representations Learned from Correlated Data, ICML 2021, Section 3). Images
    are sampled independently, with replacement. The marginal of each factor of
    a pair is not quite uniform: its extreme values are 0.6 to 1 times as
    frequent as under a uniform marginal (least for sigma 0.1 to 0.3), its
    middle values at most 1.25 times.

    Args:
      dataset: FactorDataset.
      correlation: ((factor, factor, sigma), ...); factors are names, sigma is
        positive. () for none.

    Returns:
      (seed, step, batch_size, stream=0) -> indices [batch_size] int64, the
      argument `sampler` of pipeline.batch; None if there are no pairs.

    Raises:
      DataError: a malformed pair, or a factor that the data set does not have.
    """
    if not correlation:
        return None
    pairs = [_parse_pair(dataset, pair) for pair in correlation]
    involved = sorted({i for pair in pairs for i in pair[:2]})
    # One random number for all correlated factors, one for each of the others.
    table = np.cumsum(joint(dataset, correlation))
    sizes = np.array(dataset.factor_sizes)
    others = [i for i in range(len(sizes)) if i not in involved]

    def sample(seed, step, batch_size, stream=0):
        uniform = pipeline.uniform(seed, step, (batch_size, 1 + len(others)),
                                   stream=stream)
        cells = np.searchsorted(table, uniform[:, 0] * table[-1], 'right')
        factors = np.empty((batch_size, len(sizes)), np.int64)
        factors[:, involved] = np.stack(
            np.unravel_index(cells, sizes[involved]), axis=1)
        factors[:, others] = uniform[:, 1:] * sizes[others]
        return dataset.index_of(factors)

    return sample


def joint(dataset: FactorDataset,
          correlation: Sequence[Sequence]) -> np.ndarray:
    """Joint probabilities of the correlated factors.

    Args:
      dataset, correlation: as in `sampler`, with at least one pair.

    Returns:
      An array with one axis for each correlated factor, in the order of the
      data set; its sum is 1.

    Raises:
      DataError: as in `sampler`.
    """
    pairs = [_parse_pair(dataset, pair) for pair in correlation]
    involved = sorted({i for pair in pairs for i in pair[:2]})
    axes = np.meshgrid(*(np.linspace(0, 1, dataset.factor_sizes[i])
                         for i in involved), indexing='ij', sparse=True)
    logs = sum(-((axes[involved.index(i)] - axes[involved.index(j)]) / sigma)
               ** 2 / 2 for i, j, sigma in pairs)
    weights = np.exp(logs - logs.max())
    return weights / weights.sum()


def _parse_pair(dataset, pair):
    """(i, j, sigma) of a pair; DataError if it is malformed."""
    what = f'correlation (in a run: config.data.correlation): {pair!r}'
    if not isinstance(pair, (tuple, list)) or len(pair) != 3:
        raise DataError(f'{what} must be (factor, factor, sigma), as in '
                        '(("x", "y", 0.2),)')
    for name in pair[:2]:
        if name not in dataset.factor_names:
            known = ', '.join(dataset.factor_names) or 'none'
            raise DataError(f'{what}: {dataset.name} has no factor {name!r}; '
                            f'its factors are {known}'
                            + did_you_mean(name, dataset.factor_names))
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
