"""FactorVAE score, Kim & Mnih 2018 (arXiv:1802.05983), section 4."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import samples
from topdis_jax.metrics.progress_bar import progress_bar

_VOTES_AT_ONCE = 500


def factor_vae(represent: Callable[[np.ndarray], ArrayLike],
               factor_sizes: Sequence[int], *, batch_size: int = 64,
               num_train: int = 10000, num_eval: int = 5000,
               num_variance: int = 10000, threshold: float = 0.05,
               seed: int = 0, progress: bool = False) -> float:
    """FactorVAE score of a representation.

    A vote fixes one random factor to one value in `batch_size` samples of the
    others. It goes to the latent with the smallest variance relative to its
    overall variance. A majority classifier predicts the factor from that
    latent; it is fitted on `num_train` votes, and the score is its accuracy
    on `num_eval` others.

    Samples, their order and the arithmetic are those of disentanglement_lib
    (Locatello et al. 2019): equal seeds give equal votes. As there, latents
    whose standard deviation is under `threshold` are left out, and with none
    left the score is 0.

    Args:
      represent: factors [m, k] int -> codes [m, d], finite, each row a
        function of its factors. Called with up to 32000 rows, or one batch
        if that is larger.
      factor_sizes: [k] number of values of each factor.
      batch_size: samples per vote, at least 2.
      num_train, num_eval: votes.
      num_variance: samples for the overall variances.
      threshold: least standard deviation of a latent that counts.
      seed: of the samples.
      progress: show a progress bar.

    Returns:
      float in [0, 1]; chance is about 1 / k.

    Raises:
      ValueError: sizes out of range, or codes that are not finite [m, d].
    """
    checks.check_sizes(factor_sizes)
    checks.check_count('batch_size', batch_size, 2)
    for name, value in (('num_train', num_train), ('num_eval', num_eval)):
        checks.check_count(name, value)
    checks.check_count('num_variance', num_variance, 2)
    if not threshold >= 0:
        raise ValueError(f'threshold must not be negative, received '
                         f'{threshold!r}')
    rng = np.random.RandomState(seed)
    everything = checks.check_representation(
        represent(samples.sample_factors(rng, factor_sizes, num_variance)),
        num_variance)
    variance = _variance(everything, axis=0)
    # A latent that takes one value has no share of its variance, whatever the
    # threshold (the library then lets it win every vote).
    active = (np.sqrt(variance) >= threshold) & (variance > 0)
    if not active.any():
        return 0.0
    with progress_bar(progress, num_train + num_eval, 'FactorVAE score',
                      'vote') as bar:
        train, test = (
            _votes(represent, factor_sizes, rng, batch_size, count,
                   active, variance, bar) for count in (num_train, num_eval))
    majority = np.argmax(train, axis=0)
    return float(test[majority, np.arange(test.shape[1])].sum() / num_eval)


def _variance(codes, axis):
    """The variance in the type of the codes; in float64 if it overflows."""
    with np.errstate(over='ignore', invalid='ignore'):
        found = np.var(codes, axis=axis, ddof=1)
    if np.isfinite(found).all():
        return found
    return np.var(codes.astype(np.float64), axis=axis, ddof=1)


def _votes(represent, factor_sizes, rng, batch_size, count, active, variance,
           bar):
    """Count of votes [k, active latents]."""
    votes = np.zeros((len(factor_sizes), int(active.sum())), np.int64)
    for start in range(0, count, _VOTES_AT_ONCE):
        size = min(_VOTES_AT_ONCE, count - start)
        fixed, factors = _sample_votes(rng, factor_sizes, batch_size, size)
        codes = checks.check_representation(
            represent(factors.reshape(size * batch_size, -1)),
            size * batch_size)
        codes = codes.reshape(size, batch_size, -1)
        local = _variance(codes, axis=1)[:, active]
        np.add.at(votes, (fixed, np.argmin(local / variance[active], axis=1)),
                  1)
        bar.update(size)
    return votes


def _sample_votes(rng, factor_sizes, batch_size, count):
    """Fixed factors [count] and factors [count, batch_size, k]."""
    fixed = np.empty(count, np.int64)
    factors = np.empty((count, batch_size, len(factor_sizes)), np.int64)
    for vote in range(count):
        fixed[vote] = rng.randint(len(factor_sizes))
        factors[vote] = samples.sample_factors(rng, factor_sizes, batch_size)
        factors[vote, :, fixed[vote]] = factors[vote, 0, fixed[vote]]
    return fixed, factors
