"""Scores of a model on a data set: gathers codes once and runs the scores."""

from collections.abc import Callable, Iterable, Mapping, Sequence
import contextlib
from typing import Any

import numpy as np

from topdis_jax import files
from topdis_jax.metrics import code_table, table
from topdis_jax.metrics.samples import NUM_TEST, NUM_TRAIN, Samples
from topdis_jax.metrics.table import SCORES

NUM_RECONSTRUCTION = 10_000


class ScoreError(ValueError):
    """A score that is not known, or that cannot be computed."""


def check_names(names: Iterable[str]) -> None:
    """Raises ScoreError for a score that is not known."""
    unknown = [name for name in names if name not in SCORES]
    if unknown:
        raise ScoreError(f'config.eval.scores must be taken from '
                         f'{", ".join(SCORES)}, received {unknown[0]!r}')


def score_model(encode: Callable[[np.ndarray], np.ndarray],
                decode: Callable[[np.ndarray], np.ndarray],
                dataset: Any, scores: Sequence[str], *, seed: int = 0,
                batch_size: int = 256,
                progress: bool = True) -> dict[str, Any]:
    """Scores a model on a data set.

    Factors are sampled uniformly: 10000 images to fit, 5000 to test. The
    reconstruction error is the Bernoulli cross-entropy of 10000 images (or all
    of a smaller set), each decoded from its code.

    Args:
      encode: images [b, h, w, c] uint8 -> codes [b, d], the posterior means.
      decode: codes [b, d] -> logits [b, h, w, c].
      dataset: FactorDataset.
      scores: names, keys of table.SCORES. Without factors none is computed.
      seed: of the samples.
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
    codes = code_table.CodeTable(encode, dataset.images,
                                 batch_size=batch_size, progress=progress)
    results: dict[str, Any] = {}
    if not dataset.factor_sizes:
        results['note'] = (f'{dataset.name} has no factors: reconstruction '
                           'error only')
    elif scores:
        with _errors_named('the model'):
            samples = Samples(lambda factors: codes.get(
                dataset.index_of(factors), 'scores'),
                dataset.factor_sizes, seed, progress)
        for name in scores:
            with _errors_named(f'score {name}'):
                results.update(SCORES[name].compute(samples))
    with _errors_named('the model'):
        results['reconstruction'] = _reconstruction(
            codes, decode, dataset, np.random.RandomState(seed + 1),
            batch_size, progress)
    return results


@contextlib.contextmanager
def _errors_named(what):
    try:
        yield
    except ValueError as error:
        raise ScoreError(f'{what}: {error}') from error


def settings(seed: int, step: int) -> dict[str, Any]:
    """What the scores of a run's step were computed with."""
    return {'step': step, 'seed': seed, 'num_train': NUM_TRAIN,
            'num_test': NUM_TEST, **table.settings(),
            'num_reconstruction': NUM_RECONSTRUCTION}


def _reconstruction(codes_of, decode, dataset, rng, batch_size, progress):
    count = min(NUM_RECONSTRUCTION, len(dataset))
    indices = np.sort(rng.choice(len(dataset), count, replace=False))
    codes = codes_of.get(indices, 'reconstruction')
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


def write_scores(path: str, scores: Mapping[str, Any],
                 settings: Mapping[str, Any]) -> None:
    """Writes scores.json in one go: the scores, and 'settings' beside them."""
    files.write_json(path, {**scores, 'settings': settings})
