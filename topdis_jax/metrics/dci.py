"""DCI scores, Eastwood & Williams 2018 (openreview By-7dz-AZ)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import boosting, checks
from topdis_jax.metrics.boosting import STAGES  # noqa: F401


class DCI(NamedTuple):
    """The three scores; informativeness on training and on test rows.

    Attributes:
      disentanglement: does a latent matter for one factor only? In [0, 1].
      completeness: does one latent only matter for a factor? In [0, 1].
      informativeness_train, informativeness_test: mean accuracy.
    """
    disentanglement: float
    completeness: float
    informativeness_train: float
    informativeness_test: float


def dci(codes: ArrayLike, factors: ArrayLike, test_codes: ArrayLike,
        test_factors: ArrayLike, *, seed: int = 0, num_jobs: int | None = None,
        progress: bool = False) -> DCI:
    """Disentanglement, completeness and informativeness (DCI) of codes.

    For each factor, 100 stages of gradient boosted trees on all latents; R[i,
    j] is the importance of latent i for factor j. Disentanglement is the mean
    over latents of 1 - H(R[i, :] normalized) in base k, weighted by the
    latents' importance; completeness that over factors of 1 - H(R[:, j]
    normalized) in base d. Informativeness is an accuracy, not an error.

    Conventions are those of disentanglement_lib (Locatello et al. 2019). Ties
    among the latents at a split are broken at random there; here by `seed`.
    At 10000 points of 10 latents and dSprites' factors this takes minutes;
    factors are fitted side by side. The first 2000 points give it in seconds:
    see docs/scores.md for how far off.

    Args:
      codes: [n, d] real numbers, d at least 2.
      factors: [n, k] integers, k at least 2.
      test_codes, test_factors: [m, d] and [m, k].
      seed: of the boosting.
      num_jobs: processes; None is one per core.
      progress: show a progress bar.

    Returns:
      DCI.

    Raises:
      TypeError, ValueError: malformed or non-finite input; one latent or one
        factor only (the library gives NaN); a factor with one value.
    """
    codes, factors = checks.check_pair(codes, factors)
    test_codes, test_factors = checks.check_pair(
        test_codes, test_factors, 'test_')
    checks.check_same_columns(codes, test_codes, factors, test_factors)
    checks.check_at_least_two('latents', codes.shape[1], 'dci')
    checks.check_at_least_two('factors', factors.shape[1], 'dci')
    checks.check_factors_vary(factors, 'dci')
    importance, accuracy = boosting.fit_factors(
        codes, factors, test_codes, test_factors, seed=seed,
        num_jobs=num_jobs, progress=progress)
    train, test = accuracy.mean(axis=1)
    return DCI(disentanglement(importance), completeness(importance),
               float(train), float(test))


def disentanglement(importance: np.ndarray) -> float:
    """Disentanglement of importances [d, k]."""
    return _concentration(importance)


def completeness(importance: np.ndarray) -> float:
    """Completeness of importances [d, k]."""
    return _concentration(importance.T)


def _concentration(table):
    """Weighted mean over rows of 1 - entropy, in base of the columns."""
    share = table + 1e-11  # a row of zeros becomes a uniform one
    share = share / share.sum(axis=1, keepdims=True)
    entropy = -np.sum(share * np.log(share), axis=1) / np.log(table.shape[1])
    weights = table.sum(axis=1)
    if not weights.any():
        weights = np.ones_like(weights)
    return float(np.average(1 - entropy, weights=weights))
