r"""Ranks trained runs without their factors, by UDR.

    python -m experiments.select --workdirs=DIR,DIR[,DIR ...] \
        [--similarity=lasso|spearman]

Compares the latents of the latest checkpoints on 10000 images, and prints the
runs with the best first. Runs should differ in their seed alone: the score
asks whether they found the same latents. Where factors are known, MIG of the
same codes stands beside it, and how well the two ranks agree.
"""

import os
from typing import NamedTuple

from absl import flags
import numpy as np
from scipy import stats

from experiments import console, trained
from topdis_jax import losses, metrics
from topdis_jax.data import digest
from topdis_jax.metrics import checks, evaluate
from topdis_jax.metrics.udr import SIMILARITIES
from topdis_jax.training import workfolder

_IMAGES = 10_000
_THRESHOLD = 0.01  # nats, of an informative latent


class Ranked(NamedTuple):
    """Of a run: its name, UDR, number of informative latents, and MIG or None
    where factors are not known."""
    name: str
    udr: float
    informative: int
    mig: float | None


def main():
    """Flags are defined here, for tests import other programs beside."""
    workdirs = flags.DEFINE_list('workdirs', None,
                                 'Folders of runs, at least two.')
    similarity = flags.DEFINE_enum('similarity', 'lasso', SIMILARITIES,
                                   'What compares two latents.')
    flags.mark_flag_as_required('workdirs')
    console.start(lambda: print_table(rank(workdirs.value, similarity.value)))


def rank(folders, similarity='lasso'):
    """The runs in `folders` as a list of Ranked, the best UDR first.

    Raises:
      WorkFolderError: fewer than two runs, one named twice, or runs on
        different data; and see trained.load.
      ScoreError: codes that are not finite, or without a MIG.
    """
    _check_folders(folders)
    runs = trained.load_all(folders)
    _check_same_data(runs)
    dataset = next(iter(runs.values())).dataset
    rows = np.random.default_rng(0).integers(len(dataset), size=_IMAGES)
    means, kls = zip(*(_latents(name, run, rows)
                       for name, run in runs.items()))
    with evaluate.naming('score udr'):
        scores = metrics.udr(means, kls, similarity=similarity,
                             kl_threshold=_THRESHOLD, progress=True).scores
    migs = _migs(means, dataset.factors_of(rows)) if dataset.factor_sizes \
        else [None] * len(runs)
    ranked = [Ranked(name, float(score), int(np.sum(kl > _THRESHOLD)), mig)
              for name, score, kl, mig in zip(runs, scores, kls, migs)]
    return sorted(ranked, key=lambda run: -run.udr)


def _check_folders(folders):
    if len(folders) < 2:
        raise workfolder.WorkFolderError(
            'UDR compares runs with each other and needs at least two, '
            f'received {len(folders)}; give --workdirs=DIR,DIR')
    places = [os.path.realpath(folder) for folder in folders]
    for folder, place in zip(folders, places):
        if places.count(place) > 1:
            raise workfolder.WorkFolderError(
                f'--workdirs names {folder} more than once; name each run '
                'once')
        workfolder.read_config(folder)  # before others take time to load


def _check_same_data(runs):
    """Raises WorkFolderError if the runs' images differ."""
    facts = {name: {'data.name': run.config.data.name,
                    **digest.describe(run.dataset)}
             for name, run in runs.items()}
    (first, expected), *others = facts.items()
    for name, found in others:
        for key, value in found.items():
            if value != expected[key]:
                raise workfolder.WorkFolderError(
                    'UDR compares runs on the same images, but '
                    f'{key} is {expected[key]} in {first} and {value} in '
                    f'{name}; name runs on one data set')


def _latents(name, run, rows):
    """Posterior means [n, d] and mean KL [d] of a run's latents."""
    means, log_vars = trained.posteriors(run, rows, f'Encoding by {name}')
    with evaluate.naming(name):
        means = checks.check_codes(means)
    kl = losses.gaussian_kl(means.astype(np.float32), log_vars)
    return means, np.mean(kl, axis=0)


def _migs(means, factors):
    with evaluate.naming('score mig'):
        return [metrics.mig(codes, factors) for codes in means]


def print_table(ranked):
    """Prints a row for each run, and the correlation of the ranks."""
    width = max(len(run.name) for run in ranked) + 2
    known = ranked[0].mig is not None
    print(f'{"run":<{width}}{"UDR":>8}{"informative":>13}'
          + (f'{"MIG":>8}' if known else ''))
    for run in ranked:
        print(f'{run.name:<{width}}{run.udr:>8.4f}{run.informative:>13}'
              + (f'{run.mig:>8.4f}' if known else ''))
    if known:
        print(_agreement(ranked))


def _agreement(ranked):
    """A line about the rank correlation of UDR and MIG."""
    scores, migs = zip(*((run.udr, run.mig) for run in ranked))
    if len(ranked) < 3 or len(set(scores)) < 2 or len(set(migs)) < 2:
        return ('No rank correlation of UDR and MIG: it needs three runs with '
                'different scores')
    found = stats.spearmanr(scores, migs)
    return (f'Rank correlation of UDR and MIG (Spearman): '
            f'{found.statistic:.2f} over {len(ranked)} runs')


if __name__ == '__main__':
    main()
