"""Uniform draws of factors, in the order in which the reference draws them."""

import numpy as np


def draw_factors(rng, factor_sizes, count):
    """[count, k] int64, factor by factor, each uniform over its values.

    Args:
      rng: np.random.RandomState. disentanglement_lib draws with the same
        calls in the same order, so that equal seeds give equal factors.
      factor_sizes: [k] ints, number of values of each factor.
      count: rows.
    """
    return np.stack([rng.randint(size, size=count) for size in factor_sizes],
                    axis=1)
