"""Unsupervised disentanglement ranking, Duan et al. 2020 (arXiv:1905.12614)."""

from collections.abc import Sequence
import itertools
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import fits
from topdis_jax.metrics.progress_bar import progress_bar

ALPHA = 0.1  # of the Lasso's penalty
SIMILARITIES = ('lasso', 'spearman')


class UDR(NamedTuple):
    """Scores of models and of pairs of them.

    Attributes:
      scores: [m], of each model.
      pairs: [m, m], of models a and b; the diagonal is 0.
    """
    scores: np.ndarray
    pairs: np.ndarray


def udr(codes: Sequence[ArrayLike], kl: Sequence[ArrayLike] | None = None, *,
        similarity: Literal['lasso', 'spearman'] = 'lasso',
        kl_threshold: float = 0.01, progress: bool = False) -> UDR:
    """Unsupervised disentanglement ranking (UDR) of trained models.

    Needs no factors. Models that differ in their seed alone should find the
    same latents, up to their order and sign, if these are disentangled. For
    models a and b, R[i, j] >= 0 is the similarity of latent i of a and latent
    j of b, of those with a mean KL above `kl_threshold`:

      pairs[a, b] = (mean_j max_i R[i, j]^2 / sum_i R[i, j]
                     + mean_i max_j R[i, j]^2 / sum_j R[i, j]) / 2
      scores[b] = median over a != b of pairs[a, b]

    R holds the absolute coefficients of a Lasso (alpha 0.1) from a's latents
    to each of b's, all standardized; or the absolute Spearman correlations. A
    latent that is similar to none counts as 0. A perfect match of independent
    latents gives 0.9 with the Lasso, which shrinks coefficients by alpha, and
    1 with Spearman.

    Conventions are those of disentanglement_lib (Locatello et al. 2019).
    Departures: models may have different numbers of latents; a model without
    informative latents, for which the library fails, gives 0; the Spearman
    correlation of constant codes is 0, not NaN, which there makes the pair 0.

    Args:
      codes: of m models, m at least 2: [n, d] real numbers each, means of the
        posteriors of the same n images in the same order.
      kl: of m models: [d] mean KL of each latent in nats. None: all latents
        that vary are informative.
      similarity: 'lasso' or 'spearman'.
      kl_threshold: least mean KL of an informative latent, exclusive.
      progress: show a progress bar.

    Returns:
      UDR.

    Raises:
      TypeError, ValueError: malformed or non-finite input; fewer than two
        models; different numbers of rows; an unknown similarity.
    """
    codes = _check_models(codes)
    informative = _informative(codes, kl, kl_threshold)
    if similarity not in SIMILARITIES:
        raise ValueError(f'similarity must be one of '
                         f'{", ".join(SIMILARITIES)}, received {similarity!r}')
    features = [fits.standardize(_ranks(z) if similarity == 'spearman' else z)
                for z in codes]
    features = [z[:, kept] for z, kept in zip(features, informative)]
    relate = _coefficients if similarity == 'lasso' else _correlations
    pairs = np.zeros((len(codes), len(codes)))
    places = list(itertools.permutations(range(len(codes)), 2))
    with progress_bar(progress, len(places), 'UDR', 'pair') as bar:
        def compare(place):
            first, second = (features[m] for m in place)
            if first.shape[1] and second.shape[1]:
                pairs[place] = pair_score(relate(first, second))
            bar.update()

        fits.side_by_side(compare, places)
    others = ~np.eye(len(pairs), dtype=bool)
    return UDR(np.array([np.median(column[kept]) for column, kept
                         in zip(pairs.T, others.T)]), pairs)


def pair_score(similarities: np.ndarray) -> float:
    """Score of a pair of models, of similarities [d, e] of their latents."""
    return (_relative_strength(similarities)
            + _relative_strength(similarities.T)) / 2


def _relative_strength(table):
    """Mean over columns of max^2 / sum; 0 for a column of zeros."""
    total = table.sum(axis=0)
    safe = np.where(total > 0, total, 1.0)
    return float(np.mean(table.max(axis=0) ** 2 / safe))


def _check_models(codes):
    """A list of codes [n, d] float64, one for each model."""
    if len(codes) < 2:
        raise ValueError('udr compares models with each other and needs codes '
                         f'of at least two, received {len(codes)}')
    codes = [checks.check_codes(z, f'codes of model {m}')
             for m, z in enumerate(codes)]
    for m, z in enumerate(codes):
        if len(z) != len(codes[0]):
            raise ValueError(
                'udr needs the codes of the same images of all models, '
                f'received {len(codes[0])} rows of model 0 and {len(z)} of '
                f'model {m}')
    return codes


def _informative(codes, kl, threshold):
    """A bool [d] for each model."""
    if kl is None:
        return [np.ptp(z, axis=0) > 0 for z in codes]
    if not threshold >= 0:
        raise ValueError(f'kl_threshold must not be negative, received '
                         f'{threshold!r}')
    if len(kl) != len(codes):
        raise ValueError(f'kl must have one array for each of the '
                         f'{len(codes)} models, received {len(kl)}')
    result = []
    for m, (z, values) in enumerate(zip(codes, kl)):
        values = checks.as_numpy(values)
        if values.shape != z.shape[1:] or not np.isfinite(values).all():
            raise ValueError(
                f'kl of model {m} must be finite [{z.shape[1]}], one mean for '
                f'each latent of its codes, received {values!r}')
        result.append(values > threshold)
    return result


def _ranks(codes):
    from scipy import stats  # scikit-learn requires it
    return stats.rankdata(codes, axis=0)


def _coefficients(first, second):
    """|coefficients| [d, e] of a Lasso from each [n, d] to each [n, e]."""
    from sklearn import linear_model
    model = linear_model.Lasso(alpha=ALPHA).fit(first, second)
    return np.abs(np.reshape(model.coef_, (second.shape[1], -1))).T


def _correlations(first, second):
    """|correlations| [d, e] of standardized columns."""
    return np.minimum(np.abs(first.T @ second) / len(first), 1.0)
