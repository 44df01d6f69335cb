"""Mutual information gap, Chen et al. 2018 (arXiv:1802.04942), equation 6."""

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import information


def mig(codes: ArrayLike, factors: ArrayLike, *, bins: int = 20) -> float:
    """Mutual information gap (MIG) of codes.

    MIG = mean_j (I[i1, j] - I[i2, j]) / H[j], where i1 and i2 are the two
    latents with the most information about factor j, I is the mutual
    information of the binned latent and the factor, and H[j] the entropy of
    the factor in the sample. Not corrected for bias: a perfect code scores a
    little under 1 (0.999 at 10000 points). A constant latent has no
    information; if all latents are constant the score is 0.

    Departure from disentanglement_lib: bins are computed in float64 whatever
    the dtype of the codes.

    Args:
      codes: [n, d] real numbers, d at least 2.
      factors: [n, k] integers.
      bins: bins per latent.

    Returns:
      float in [0, 1].

    Raises:
      TypeError, ValueError: malformed or non-finite input; one latent only;
        a factor with one value, whose entropy is 0 (the library gives NaN).
    """
    codes, factors = checks.check_pair(codes, factors)
    checks.check_count('bins', bins, 2)
    checks.check_at_least_two('latents', codes.shape[1], 'mig')
    checks.check_factors_vary(factors, 'mig')
    binned = information.histogram_bins(codes, bins)
    table = information.mutual_information(binned, factors)
    return float(np.mean(gaps(table) / information.entropies(factors)))


def gaps(table: np.ndarray) -> np.ndarray:
    """By how much the best latent of each factor exceeds the next: [k].

    Args:
      table: [d, k], what latent i knows of factor j.
    """
    second, first = np.sort(table, axis=0)[-2:]
    return first - second
