"""Factors sampled uniformly, and the codes that scores share."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

NUM_TRAIN = 10_000
NUM_TEST = 5_000


def sample_factors(rng: np.random.RandomState, factor_sizes: Sequence[int],
                   count: int) -> np.ndarray:
    """[count, k] int64, factor by factor, each uniform over its values.

    Args:
      rng: disentanglement_lib makes the same calls in the same order, so that
        equal seeds give equal factors.
      factor_sizes: [k] ints, number of values of each factor.
      count: rows.
    """
    return np.stack([rng.randint(size, size=count) for size in factor_sizes],
                    axis=1)


class Samples:
    """Codes of sampled factors, which the scores of one evaluation share.

    Attributes:
      train: (codes [10000, d], factors [10000, k]).
      train_and_test: train and the same of 5000 test rows, four arrays.
      representation: (represent, factor_sizes [k]), for scores that sample
        themselves; represent: factors [m, k] -> codes [m, d].
      options: seed and progress, for scores that sample themselves.
    """

    def __init__(self, represent: Callable[[np.ndarray], np.ndarray],
                 factor_sizes: Sequence[int], seed: int,
                 progress: bool) -> None:
        """Samples the factors and represents them; arguments: see above."""
        rng = np.random.RandomState(seed)
        self.representation = represent, factor_sizes
        factors = [sample_factors(rng, factor_sizes, count)
                   for count in (NUM_TRAIN, NUM_TEST)]
        codes = np.split(represent(np.concatenate(factors)), [NUM_TRAIN])
        self.train = codes[0], factors[0]
        self.train_and_test = (*self.train, codes[1], factors[1])
        self.options: dict[str, Any] = {'seed': seed, 'progress': progress}
