"""Scores of a model on a data set: gathers codes once and runs the scores."""

import contextlib

import numpy as np

from topdis_jax import files
from topdis_jax import metrics
from topdis_jax.metrics import code_table
from topdis_jax.metrics import draws

NUM_TRAIN = 10_000
NUM_TEST = 5_000
NUM_RECONSTRUCTION = 10_000


class Codes:
    """Codes of one evaluation's draws, which its scores share.

    Attributes:
      train: (codes [10000, d], factors [10000, k]).
      both: train and the same of 5000 test rows, four arrays.
      factor_sizes: [k].
      represent: factors [m, k] -> codes [m, d].
      options: seed and progress, for scores that draw themselves.
    """

    def __init__(self, table, dataset, seed, progress):
        def represent(factors):
            return table.get(dataset.index_of(factors), 'scores')

        rng = np.random.RandomState(seed)
        self.factor_sizes = dataset.factor_sizes
        factors = [draws.draw_factors(rng, self.factor_sizes, count)
                   for count in (NUM_TRAIN, NUM_TEST)]
        codes = np.split(represent(np.concatenate(factors)), [NUM_TRAIN])
        self.train = codes[0], factors[0]
        self.both = (*self.train, codes[1], factors[1])
        self.represent = represent
        self.options = {'seed': seed, 'progress': progress}


def _dci(codes, name='dci', rows=None):
    train, labels, *test = codes.both
    result = metrics.dci(train[:rows], labels[:rows], *test, **codes.options)
    return {name: result.disentanglement,
            f'{name}_completeness': result.completeness,
            f'{name}_informativeness': result.informativeness_test}


# name -> Codes -> {name: value}, with what goes beside it
SCORES = {
    'mig': lambda c: {'mig': metrics.mig(*c.train)},
    'factor_vae': lambda c: {'factor_vae': metrics.factor_vae(
        c.represent, c.factor_sizes, **c.options)},
    'sap': lambda c: {'sap': metrics.sap(*c.both)},
    'sap_continuous': lambda c: {
        'sap_continuous': metrics.sap(*c.both, continuous=True)},
    'dci': _dci,
    # In seconds where the other takes minutes.
    'dci_2000': lambda c: _dci(c, 'dci_2000', 2000),
    'beta_vae': lambda c: {'beta_vae': metrics.beta_vae(
        c.represent, c.factor_sizes, **c.options)},
    'modularity': lambda c: {'modularity': metrics.modularity(*c.train)},
    'explicitness': lambda c: {'explicitness': metrics.explicitness(*c.both)},
    'irs': lambda c: {'irs': metrics.irs(*c.train)},
}


class ScoreError(ValueError):
    """A score that is not known, or that cannot be computed."""


def check_names(names):
    """Raises ScoreError for a score that is not known."""
    unknown = [name for name in names if name not in SCORES]
    if unknown:
        raise ScoreError(f'config.eval.scores must be taken from '
                         f'{", ".join(SCORES)}, received {unknown[0]!r}')


def evaluate(encode, decode, dataset, scores, *, seed=0, batch_size=256,
             progress=True):
    """Scores a model on a data set.

    Factors are drawn uniformly: 10000 images to fit, 5000 to test. The
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
      'note' for a data set without factors. 'dci' is disentanglement;
      'dci_completeness' and 'dci_informativeness' stand beside it.

    Raises:
      ScoreError: unknown score, one that is undefined for these codes, or
        codes that are not finite.
    """
    check_names(scores)
    table = code_table.CodeTable(encode, dataset.images,
                                 batch_size=batch_size, progress=progress)
    results = {}
    if not dataset.factor_sizes:
        results['note'] = (f'{dataset.name} has no factors: reconstruction '
                           'error only')
    elif scores:
        with _told('the model'):
            codes = Codes(table, dataset, seed, progress)
        for name in scores:
            with _told(f'score {name}'):
                results.update(SCORES[name](codes))
    with _told('the model'):
        results['reconstruction'] = _reconstruction(
            table, decode, dataset, np.random.RandomState(seed + 1),
            batch_size, progress)
    return results


@contextlib.contextmanager
def _told(what):
    try:
        yield
    except ValueError as error:
        raise ScoreError(f'{what}: {error}') from error


def settings(seed, step):
    """What the scores of a run's step were computed with."""
    return {'step': step, 'seed': seed, 'num_train': NUM_TRAIN,
            'num_test': NUM_TEST, 'bins': 20, 'sap_c': 0.01,
            'dci_stages': 100, 'vote_batch_size': 64, 'num_votes': 10_000,
            'num_test_votes': 5_000, 'num_variance': 10_000,
            'threshold': 0.05, 'irs_quantile': 0.99,
            'num_reconstruction': NUM_RECONSTRUCTION}


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
