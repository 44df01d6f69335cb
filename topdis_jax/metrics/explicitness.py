"""Explicitness, Ridgeway & Mozer 2018 (arXiv:1802.05312), section 4."""

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import fits


def explicitness(codes: ArrayLike, factors: ArrayLike, test_codes: ArrayLike,
                 test_factors: ArrayLike) -> float:
    """Explicitness of codes: how well a linear classifier predicts factors.

    For each factor a multinomial logistic regression on all latents,
    standardized by the training rows; the area under the ROC curve of each of
    its classes against the others on the test rows; the mean over classes,
    then over factors. Not rescaled: chance is 0.5.

    Departure from disentanglement_lib (Locatello et al. 2019): constant
    latents, for which the library fails, are left out; with none left the
    score is 0.5.

    Args:
      codes: [n, d] real numbers.
      factors: [n, k] integers.
      test_codes, test_factors: [m, d] and [m, k].

    Returns:
      float in [0, 1].

    Raises:
      TypeError, ValueError: malformed or non-finite input; a factor with one
        value; a class that only the training or only the test rows have.
    """
    from sklearn import linear_model

    codes, factors = checks.check_pair(codes, factors)
    test_codes, test_factors = checks.check_pair(
        test_codes, test_factors, 'test_')
    checks.check_same_columns(codes, test_codes, factors, test_factors)
    checks.check_factors_vary(factors, 'explicitness')
    checks.check_same_classes(factors, test_factors, 'explicitness')
    alive = np.ptp(codes, axis=0) > 0
    if not alive.any():
        return 0.5
    mean = codes[:, alive].mean(axis=0)
    std = codes[:, alive].std(axis=0)
    train = (codes[:, alive] - mean) / std
    test = (test_codes[:, alive] - mean) / std

    def area(j):
        model = linear_model.LogisticRegression().fit(train, factors[:, j])
        return _mean_area(model.predict_proba(test),
                          test_factors[:, j, None] == model.classes_)

    return float(np.mean(fits.side_by_side(area, range(factors.shape[1]))))


def _mean_area(scores, is_class):
    """Mean over classes of the area under the curve of [m, classes] each."""
    from sklearn import metrics as sklearn_metrics
    return sklearn_metrics.roc_auc_score(is_class, scores, average='macro')
