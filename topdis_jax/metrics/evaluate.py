"""Scores of a model on a data set: gathers codes once and runs the scores."""

import numpy as np

from topdis_jax import files
from topdis_jax.metrics import code_table
from topdis_jax.metrics.mig import mig

NUM_TRAIN = 10_000
NUM_RECONSTRUCTION = 10_000

# name -> (codes, factors) -> {name: value}
SCORES = {'mig': lambda codes, factors: {'mig': mig(codes, factors)}}


class ScoreError(ValueError):
    """A score that is not known."""


def check_names(names):
    """Raises ScoreError for a score that is not known."""
    unknown = [name for name in names if name not in SCORES]
    if unknown:
        raise ScoreError(f'config.eval.scores must be taken from '
                         f'{", ".join(SCORES)}, received {unknown[0]!r}')


def evaluate(encode, decode, dataset, scores, *, seed=0, batch_size=256,
             progress=True):
    """Scores a model on a data set.

    Factors are drawn uniformly, 10000 images for the scores. The
    reconstruction error is the Bernoulli cross-entropy of 10000 images (or all
    of a smaller set), each decoded from its code.

    Args:
      encode: images [b, h, w, c] uint8 -> codes [b, d], the posterior means.
      decode: codes [b, d] -> logits [b, h, w, c].
      dataset: FactorDataset.
      scores: names, keys of SCORES. Without factors none is computed.
      seed: of the draws.
      batch_size: images encoded or decoded at once.
      progress: show progress bars.

    Returns:
      dict of the scores' values, 'reconstruction' (nats per image), and
      'note' for a data set without factors.

    Raises:
      ValueError: unknown score, or codes that are not finite.
    """
    check_names(scores)
    table = code_table.CodeTable(encode, dataset.images,
                                 batch_size=batch_size, progress=progress)
    results = {}
    if not dataset.factor_sizes:
        results['note'] = (f'{dataset.name} has no factors: reconstruction '
                           'error only')
    elif scores:
        factors = _draw_factors(dataset, np.random.RandomState(seed))
        codes = table.get(dataset.index_of(factors), 'scores')
        for name in scores:
            results.update(SCORES[name](codes, factors))
    results['reconstruction'] = _reconstruction(
        table, decode, dataset, np.random.RandomState(seed + 1), batch_size,
        progress)
    return results


def settings(seed, step):
    """What the scores of a run's step were computed with."""
    return {'step': step, 'seed': seed, 'num_train': NUM_TRAIN, 'bins': 20,
            'num_reconstruction': NUM_RECONSTRUCTION}


def _draw_factors(dataset, rng):
    """[10000, k], factor by factor, as the reference draws them."""
    return np.stack([rng.randint(size, size=NUM_TRAIN)
                     for size in dataset.factor_sizes], axis=1)


def _reconstruction(table, decode, dataset, rng, batch_size, progress):
    count = min(NUM_RECONSTRUCTION, len(dataset))
    indices = np.sort(rng.choice(len(dataset), count, replace=False))
    codes = table.get(indices, 'reconstruction')
    total = 0.0
    with code_table.progress_bar(progress, count, 'Decoding', 'img') as bar:
        for start in range(0, count, batch_size):
            part = slice(start, start + batch_size)
            logits = code_table.run_padded(decode, codes[part], batch_size)
            total += _cross_entropy(logits, dataset.images[indices[part]])
            bar.update(len(logits))
    return total / count


def _cross_entropy(logits, images):
    """Summed Bernoulli cross-entropy in nats; images uint8."""
    logits = logits.astype(np.float64)
    softplus = np.maximum(logits, 0) + np.log1p(np.exp(-np.abs(logits)))
    return float(np.sum(softplus - logits * (images / 255)))


def write_scores(path, scores, settings):
    """Writes scores.json in one go: the scores, and 'settings' beside them."""
    files.write_json(path, {**scores, 'settings': settings})
