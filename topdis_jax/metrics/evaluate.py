"""Scores of a model on a data set: codes once, then a run's scores."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
import contextlib
import json
import os
from typing import Any

import numpy as np

from topdis_jax import files
from topdis_jax.metrics import checks, table
from topdis_jax.metrics.code_table import CodeTable
from topdis_jax.metrics.reconstruction import NUM_RECONSTRUCTION
from topdis_jax.metrics.reconstruction import reconstruction_error
from topdis_jax.metrics.samples import NUM_TEST, NUM_TRAIN, Samples
from topdis_jax.metrics.table import SCORES
from topdis_jax.suggestions import did_you_mean


class ScoreError(ValueError):
    """A score that is not known, or that cannot be computed."""


def check_names(names: Iterable[str], given_as: str = 'scores') -> None:
    """Raises ScoreError for a score that is not known.

    Args:
      names: of scores.
      given_as: what the caller knows them as, for the message.
    """
    unknown = [name for name in names if name not in SCORES]
    if unknown:
        raise ScoreError(f'{given_as} must be taken from {", ".join(SCORES)}, '
                         f'received {unknown[0]!r}'
                         + did_you_mean(unknown[0], SCORES))


def check_possible(names: Iterable[str], factor_sizes: Sequence[int],
                   latents: int) -> None:
    """Raises ScoreError for a score that such codes cannot have.

    Args:
      names: of scores.
      factor_sizes: [k] number of values of each factor.
      latents: of a code.
    """
    counts = {'latents': latents, 'factors': len(factor_sizes)}
    constant = [i for i, size in enumerate(factor_sizes) if size == 1]
    for name in names:
        with naming(f'score {name}'):
            for what in SCORES[name].compares:
                checks.check_at_least_two(what, counts[what], name)
            if constant and SCORES[name].varying:
                raise ValueError(
                    f'{name} is undefined for a factor with one value, as '
                    f'factor {constant[0]} has')


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
      'dci_completeness' and 'dci_informativeness' stand beside it. 'infomec'
      gives 'infomec_modularity', '_explicitness' and '_compactness'.

    Raises:
      ScoreError: unknown score, one that is undefined for these codes, or
        codes that are not finite.
    """
    check_names(scores)
    codes = CodeTable(encode, dataset.images, batch_size=batch_size,
                      progress=progress)
    results: dict[str, Any] = {}
    if not dataset.factor_sizes:
        results['note'] = _note(dataset.name, scores)
    elif scores:
        results.update(_compute(codes, dataset, scores, seed, progress))
    with naming('the model'):
        results['reconstruction'] = reconstruction_error(
            codes, decode, dataset.images, seed=seed + 1,
            batch_size=batch_size, progress=progress)
    return results


def _note(name, scores):
    """Says what became of the scores of a data set without factors."""
    note = f'{name} has no factors: reconstruction error only'
    if not scores:
        return note
    return (f'{note}; not computed: {", ".join(scores)}. Images of your own '
            'have factors in an .npz with factor_sizes, see docs/data.md')


def _compute(codes, dataset, names, seed, progress):
    """Results of the scores by name, from one sample of the factors."""
    def represent(factors):
        return codes.get(dataset.index_of(factors), 'scores')

    results = {}
    with naming('the model'):
        samples = Samples(represent, dataset.factor_sizes, seed, progress)
    for name in names:
        with naming(f'score {name}'):
            results.update(SCORES[name].compute(samples))
    return results


@contextlib.contextmanager
def naming(what: str) -> Iterator[None]:
    """Turns a ValueError into a ScoreError that names its cause."""
    try:
        yield
    except ValueError as error:
        raise ScoreError(f'{what}: {error}') from error


def settings(seed: int, step: int) -> dict[str, Any]:
    """What the scores of a run's step were computed with, for scores.json."""
    return {'step': step, 'seed': seed, 'num_train': NUM_TRAIN,
            'num_test': NUM_TEST, **table.settings(),
            'num_reconstruction': NUM_RECONSTRUCTION}


def add_scores(path: str | os.PathLike, scores: Mapping[str, Any],
               settings: Mapping[str, Any]) -> None:
    """Writes scores.json in one go: the scores, and 'settings' beside them.

    Other scores that are there, computed with the same settings, stay.
    """
    earlier = _read_scores(path)
    if earlier.pop('settings', None) != settings:
        earlier = {}
    files.write_json(path, {**earlier, **scores, 'settings': settings})


def _read_scores(path):
    """What a scores.json holds; nothing if it is not there or is damaged."""
    try:
        with open(path) as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
