"""Modularity, Ridgeway & Mozer 2018 (arXiv:1802.05312), section 3."""

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import information


def modularity(codes: ArrayLike, factors: ArrayLike, *,
               bins: int = 20) -> float:
    """Modularity of codes: is each latent informative about one factor only?

    The mean over latents of 1 - sum_{j != j*} I[i, j]^2 / (I[i, j*]^2 (k - 1)),
    with I the mutual information of the binned latent and the factor, and j*
    the factor that latent i has the most information about. A constant latent
    counts as 0 and so lowers the mean.

    Conventions are those of disentanglement_lib (Locatello et al. 2019), bins
    in float64 (see information.py).

    Args:
      codes: [n, d] real numbers.
      factors: [n, k] integers, k at least 2.
      bins: bins per latent.

    Returns:
      float in [0, 1].

    Raises:
      TypeError, ValueError: malformed or non-finite input; one factor only
        (the library gives NaN).
    """
    codes, factors = checks.check_pair(codes, factors)
    checks.check_count('bins', bins, 2)
    checks.check_at_least_two('factors', factors.shape[1], 'modularity')
    binned = information.histogram_bins(codes, bins)
    return of_information(information.mutual_information(binned, factors))


def of_information(table: np.ndarray) -> float:
    """Modularity of a matrix of mutual information [d, k]."""
    squares = table ** 2
    best = squares.max(axis=1)
    rest = squares.sum(axis=1) - best
    safe = np.where(best > 0, best, 1.0)
    each = 1 - rest / (safe * (table.shape[1] - 1))
    return float(np.mean(np.where(best > 0, each, 0.0)))
