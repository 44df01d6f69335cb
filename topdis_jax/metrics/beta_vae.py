"""beta-VAE score, Higgins et al. 2017 (openreview Sy2fzU9gl), section 3."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from topdis_jax.metrics import checks
from topdis_jax.metrics import fits
from topdis_jax.metrics.progress_bar import progress_bar

_POINTS_AT_ONCE = 250


def beta_vae(represent: Callable[[np.ndarray], ArrayLike],
             factor_sizes: Sequence[int], *, batch_size: int = 64,
             num_train: int = 10000, num_eval: int = 5000, seed: int = 0,
             progress: bool = False) -> float:
    """beta-VAE score of a representation.

    A point is the mean over `batch_size` pairs of |z - z'|. The two images of
    a pair share the value of one factor; all pairs of a point share the same
    factor, each with its own value. A logistic regression predicts that factor
    from the point; it is fitted on `num_train` points, and the score is its
    accuracy on `num_eval` others.

    Conventions are those of disentanglement_lib (Locatello et al. 2019) under
    scikit-learn 0.22 or later. Departure: samples come from NumPy's newer
    generator, many at a time, so that seeds do not correspond.

    Args:
      represent: factors [m, k] int -> codes [m, d], finite, each row a
        function of its factors. Called with up to 32000 rows, or one batch
        if that is larger.
      factor_sizes: [k] number of values of each factor, k at least 2.
      batch_size: pairs per point.
      num_train, num_eval: points.
      seed: of the samples.
      progress: show a progress bar.

    Returns:
      float in [0, 1]; chance is about 1 / k.

    Raises:
      ValueError: sizes out of range, or codes that are not finite [m, d].
    """
    from sklearn import linear_model

    checks.check_sizes(factor_sizes)
    checks.check_at_least_two('factors', len(factor_sizes), 'beta_vae')
    for name, value in (('batch_size', batch_size), ('num_train', num_train),
                        ('num_eval', num_eval)):
        checks.check_count(name, value)
    rng = np.random.default_rng(seed)
    with progress_bar(progress, num_train + num_eval, 'beta-VAE score',
                      'point') as bar:
        train, test = (_points(represent, factor_sizes, rng, batch_size, count,
                               bar) for count in (num_train, num_eval))
    if len(np.unique(train[1])) < 2:
        raise ValueError('beta_vae sampled one factor only; raise num_train, '
                         f'received {num_train}')

    def accuracy(model):
        return float(model.fit(*train).score(*test))

    return fits.side_by_side(accuracy, [linear_model.LogisticRegression()])[0]


def _points(represent, factor_sizes, rng, batch_size, count, bar):
    """Features [count, d] and labels [count]."""
    features, labels = [], rng.integers(len(factor_sizes), size=count)
    for start in range(0, count, _POINTS_AT_ONCE):
        part = labels[start:start + _POINTS_AT_ONCE]
        shape = 2, len(part), batch_size, len(factor_sizes)
        pairs = rng.integers(factor_sizes, size=shape)
        point = np.arange(len(part))
        pairs[1, point, :, part] = pairs[0, point, :, part]
        rows = pairs.reshape(-1, shape[-1])
        codes = checks.check_representation(represent(rows), len(rows))
        first, second = codes.reshape(*shape[:3], -1)
        features.append(np.abs(first - second).mean(axis=1))
        bar.update(len(part))
    return np.concatenate(features), labels
