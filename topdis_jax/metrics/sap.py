"""Separated attribute predictability, Kumar et al. 2018 (arXiv:1711.00848)."""

import itertools

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import fits

C = 0.01  # of the support vector classifiers


def sap(codes: ArrayLike, factors: ArrayLike, test_codes: ArrayLike,
        test_factors: ArrayLike, *, continuous: bool = False) -> float:
    """Separated attribute predictability (SAP) of codes.

    SAP = mean_j (S[i1, j] - S[i2, j]), where i1 and i2 are the two latents
    that predict factor j best. S[i, j] is the test accuracy of a linear
    support vector classifier (C = 0.01, balanced classes) of factor j from
    latent i alone; for continuous factors the squared correlation of the two
    on the training rows, and 0 for a latent whose variance is 1e-12 or less.

    The classifier's intercept is regularized, so the score depends on the
    scale and the offset of the codes. A perfect code scores well under 1,
    because no threshold on one latent separates a middle class from both its
    neighbors. A class that only the test rows have counts as an error.

    Conventions are those of disentanglement_lib (Locatello et al. 2019).

    Args:
      codes: [n, d] real numbers, d at least 2.
      factors: [n, k] integers.
      test_codes, test_factors: [m, d] and [m, k]; unused, but checked, where
        factors are continuous.
      continuous: whether the order and distance of the values have a meaning.

    Returns:
      float in [0, 1].

    Raises:
      TypeError, ValueError: malformed or non-finite input; one latent only;
        a factor with one value (the library raises or gives NaN).
    """
    codes, factors = checks.check_pair(codes, factors)
    test_codes, test_factors = checks.check_pair(
        test_codes, test_factors, 'test_')
    checks.check_same_columns(codes, test_codes, factors, test_factors)
    checks.check_at_least_two('latents', codes.shape[1], 'sap')
    checks.check_factors_vary(factors, 'sap')
    if continuous:
        return gap(_squared_correlations(codes, factors))
    return gap(_accuracies(codes, factors, test_codes, test_factors))


def gap(scores: np.ndarray) -> float:
    """Mean over factors of the gap of the two best latents of [d, k]."""
    second, first = np.sort(scores, axis=0)[-2:]
    return float(np.mean(first - second))


def _accuracies(codes, factors, test_codes, test_factors):
    """Test accuracy [d, k] of one classifier per latent and factor."""
    from sklearn import svm  # takes a second, which other scores need not

    def accuracy(cell):
        i, j = cell
        classifier = svm.LinearSVC(C=C, class_weight='balanced', dual=False)
        classifier.fit(codes[:, i:i + 1], factors[:, j])
        predicted = classifier.predict(test_codes[:, i:i + 1])
        return np.mean(predicted == test_factors[:, j])

    shape = codes.shape[1], factors.shape[1]
    cells = itertools.product(*map(range, shape))
    return np.reshape(fits.side_by_side(accuracy, cells), shape)


def _squared_correlations(codes, factors):
    """Squared correlation [d, k]; 0 for a latent that hardly varies."""
    d = codes.shape[1]
    covariance = np.cov(codes, factors, rowvar=False)
    variance = np.diag(covariance)
    cross = covariance[:d, d:]
    dead = variance[:d] <= 1e-12
    safe = np.where(dead, 1.0, variance[:d])
    scores = cross ** 2 / (safe[:, None] * variance[d:])
    return np.where(dead[:, None], 0.0, scores)
