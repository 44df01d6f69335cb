"""Interventional robustness score, Suter et al. 2019 (arXiv:1811.00007)."""

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import information


def irs(codes: ArrayLike, factors: ArrayLike, *, quantile: float = 0.99,
        bins: int = 20) -> float:
    """Interventional robustness score (IRS) of codes.

    Measures how little a latent varies while one factor is fixed.

    For latent i and factor j, rows are grouped by the factor's value; c[i, j]
    is the mean over groups of the `quantile` of |z_i - mean of the group|. With
    m_i = max |z_i - mean z_i|, the latent's score is max_j 1 - c[i, j] / m_i,
    and IRS the mean of these, weighted by m_i. Constant latents are left out;
    with none left the score is 0.

    Conventions are those of disentanglement_lib (Locatello et al. 2019), which
    bins the factors too: a factor of 40 values makes 20 groups.

    Args:
      codes: [n, d] real numbers.
      factors: [n, k] integers.
      quantile: of the deviations within a group, in (0, 1].
      bins: at most this many groups per factor.

    Returns:
      float, at most 1; negative where groups differ more than all codes.

    Raises:
      TypeError, ValueError: malformed or non-finite input.
    """
    codes, factors = checks.check_pair(codes, factors)
    checks.check_count('bins', bins, 1)
    if not 0 < quantile <= 1:
        raise ValueError(f'quantile must lie in (0, 1], received {quantile!r}')
    codes = codes[:, np.ptp(codes, axis=0) > 0]
    if not codes.shape[1]:
        return 0.0
    groups = information.histogram_bins(factors, bins)
    spread = np.abs(codes - codes.mean(axis=0)).max(axis=0)
    within = np.stack([_within_groups(codes, column, quantile)
                       for column in groups.T], axis=1)
    best = (1 - within / spread[:, None]).max(axis=1)
    return float(np.average(best, weights=spread))


def _within_groups(codes, groups, quantile):
    """Mean over groups of the deviations' quantile, [d]."""
    deviations = []
    for value in np.unique(groups):
        part = codes[groups == value]
        deviations.append(np.quantile(np.abs(part - part.mean(axis=0)),
                                      quantile, axis=0))
    return np.mean(deviations, axis=0)
