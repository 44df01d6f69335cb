"""InfoMEC, Hsu et al. 2023 (arXiv:2305.18378)."""

from typing import NamedTuple
import warnings

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import fits
from topdis_jax.metrics import information
from topdis_jax.metrics import neighbors

_NEIGHBORS = 10  # of the estimate of mutual information
_ACTIVE_RANGE = 1 / 20  # of the largest range, above which a latent is active


class InfoMEC(NamedTuple):
    """The three scores.

    Attributes:
      modularity: InfoM, does a latent know one factor only? In [0, 1].
      explicitness: InfoE, can a linear classifier read each factor? At most
        1; about 0 at chance.
      compactness: InfoC, is a factor known to one latent only? In [0, 1].
    """
    modularity: float
    explicitness: float
    compactness: float


def infomec(codes: ArrayLike, factors: ArrayLike, *, discrete: bool = False,
            seed: int = 0) -> InfoMEC:
    """Modularity, explicitness and compactness by information (InfoMEC).

    With N[i, j] = I(z_i; y_j) / H(y_j), the mutual information of latent i
    and factor j over the factor's entropy, a active latents and k factors:

      InfoM = (mean_i max_j N[i, j] / sum_j N[i, j] - 1/k) / (1 - 1/k)
      InfoC = (mean_j max_i N[i, j] / sum_i N[i, j] - 1/a) / (1 - 1/a)
      InfoE = mean_j (1 - L_j / log K_j)

    A latent is active if its range is above 1/20 of the largest range
    (discrete: above 0); others are left out of InfoM and InfoC. I is the
    estimate of Ross 2014 from the 10 nearest neighbors of the same class. L_j
    is the log loss, on the same rows, of an unpenalized logistic regression
    of factor j, with balanced classes, on all standardized latents; log K_j,
    K_j the factor's number of values, is what it loses without latents.
    Discrete latents: plug-in I, and the regression has their values one-hot.

    Conventions are those of github.com/kylehkhsu/latent_quantization.
    Departures: the noise that tells equal codes apart has a seed; ratios of
    0/0, NaN there, count as no information: a latent that knows nothing, or a
    factor that no latent knows, has the share 1/k or 1/a. InfoC is undefined
    for one active latent: it is 0 then, with a warning.

    Args:
      codes: [n, d] real numbers, d at least 2.
      factors: [n, k] integers, k at least 2.
      discrete: whether the latents take few values, without order.
      seed: of the noise.

    Returns:
      InfoMEC.

    Raises:
      TypeError, ValueError: malformed or non-finite input; one latent or one
        factor only; a factor with one value, or with no value twice.
    """
    codes, factors = checks.check_pair(codes, factors)
    for what, array in (('latents', codes), ('factors', factors)):
        checks.check_at_least_two(what, array.shape[1], 'infomec')
    checks.check_factors_vary(factors, 'infomec')
    labels, counts = information.label_classes(factors)
    _check_values_recur(counts, len(factors))
    ranges = np.ptp(codes, axis=0)
    active = codes[:, ranges > (0 if discrete else
                                ranges.max() * _ACTIVE_RANGE)]
    table = (_known(active, labels, discrete, seed)
             / information.entropies(labels))
    if len(table) == 1:
        warnings.warn('infomec: one latent is active, so that compactness is '
                      'undefined; it is given as 0', stacklevel=2)
    return InfoMEC(concentration(table), _explicitness(codes, labels, counts,
                                                       discrete),
                   concentration(table.T))


def concentration(table: np.ndarray) -> float:
    """Mean share of the largest entry of a row of [rows, columns].

    Scaled from [1 / columns, 1] to [0, 1]. A row of zeros counts as uniform;
    without rows, or with fewer than two columns, it is 0.
    """
    rows, columns = table.shape
    if rows == 0 or columns < 2:
        return 0.0
    total = table.sum(axis=1)
    share = np.full(rows, 1 / columns)
    np.divide(table.max(axis=1), total, out=share, where=total > 0)
    return float((share.mean() - 1 / columns) / (1 - 1 / columns))


def _check_values_recur(counts, rows):
    """Raises ValueError if each value of a factor occurs once: no neighbors."""
    once = np.flatnonzero(counts == rows)
    if once.size:
        raise ValueError(
            f'infomec compares rows of the same value, but factor {once[0]} '
            f'has {rows} values in {rows} rows; give more rows')


def _known(codes, labels, discrete, seed):
    """Mutual information [d, k] of each latent and factor, in nats."""
    if not codes.shape[1]:
        return np.zeros((0, labels.shape[1]))
    if discrete:
        return information.mutual_information(codes, labels)
    return neighbors.mutual_information(fits.standardize(codes), labels,
                                        _NEIGHBORS, seed)


def _explicitness(codes, labels, counts, discrete):
    """InfoE."""
    from sklearn import linear_model, metrics, preprocessing

    features = (preprocessing.OneHotEncoder().fit_transform(codes)
                if discrete else fits.standardize(codes))

    def share(j):
        # No penalty: C is its inverse. Tolerance and the limit of 100
        # iterations, at which most fits end, are the library's defaults.
        model = linear_model.LogisticRegression(
            C=np.inf, class_weight='balanced', tol=1e-4, max_iter=100)
        model.fit(features, labels[:, j])
        loss = metrics.log_loss(labels[:, j], model.predict_proba(features))
        # Without latents, balanced classes are equally likely.
        return 1 - loss / np.log(counts[j])

    return float(np.mean(fits.side_by_side(share, range(len(counts)))))
