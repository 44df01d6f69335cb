"""Compares representations of the same points by their topology.

    python -m experiments.compare A.npy B.npy [C.npy ...] \
        [--divergence=rtd] [--subset=500] [--repeats=10] [--picture=PATH] \
        [--barcodes=PATH]

Each file holds an array [n, ...]: the activations of a layer, embeddings,
codes. Prints the divergence of each pair with its standard deviation over
random subsets, and plots the matrix of all pairs.
"""

import itertools
import os
import sys

from absl import app, flags
import numpy as np
from tqdm import tqdm

from topdis_jax import plots, topology
from topdis_jax.topology.comparison import NAMES

_DIVERGENCE = flags.DEFINE_enum('divergence', 'rtd', NAMES,
                                'What compares two clouds.')
_SUBSET = flags.DEFINE_integer('subset', 500, 'Rows of a random subset.',
                               lower_bound=2)
_REPEATS = flags.DEFINE_integer('repeats', 10, 'Subsets.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the subsets.')
_PICTURE = flags.DEFINE_string('picture', 'divergences.png',
                               'Where the matrix is plotted.')
_BARCODES = flags.DEFINE_string(
    'barcodes', None, 'Where the cross-barcodes of the first two files, the '
    'bars behind their RTD, are plotted; nowhere if not given.')


def load(path):
    """The array of a .npy file.

    Raises:
      ValueError: no such file, or not an array of numbers.
    """
    try:
        return np.load(path, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) else (
            'it is not a .npy file; save an array with numpy.save')
        raise ValueError(f'cannot read {path}: {reason}') from error


def compare_all(paths, divergence, subset, repeats, seed):
    """(means, deviations), [m, m] each, of all pairs of m files."""
    clouds = [load(path) for path in paths]
    means, stds = np.zeros((2, len(paths), len(paths)))
    pairs = list(itertools.combinations(range(len(paths)), 2))
    with tqdm(total=len(pairs) * repeats, desc=divergence, unit='subset',
              leave=False) as bar:
        def count(rounds):
            for repeat in rounds:
                yield repeat
                bar.update()

        for i, j in pairs:
            try:
                found = topology.compare(
                    clouds[i], clouds[j], divergence=divergence,
                    subset=subset, repeats=repeats, seed=seed, progress=count)
            except ValueError as error:
                raise ValueError(f'{paths[i]} and {paths[j]}: {error}'
                                 ) from error
            means[i, j] = means[j, i] = found.mean
            stds[i, j] = stds[j, i] = found.std
    if divergence == 'nts':
        np.fill_diagonal(means, 1.0)
    return means, stds


def print_table(names, means, stds):
    width = max(map(len, names)) + 2
    for i, j in itertools.combinations(range(len(names)), 2):
        print(f'{names[i]:<{width}}{names[j]:<{width}}'
              f'{means[i, j]:10.4f} +- {stds[i, j]:.4f}')


def first_distances(x, y, subset, seed):
    """Scaled distances of the first random subset of the rows of two clouds.

    The same that the first value of `topology.compare` is of.
    """
    kept = []

    def keep(dist_x, dist_y):
        kept.extend((dist_x, dist_y))
        return 0.0

    topology.compare(x, y, divergence=keep, subset=subset, repeats=1,
                     seed=seed)
    return kept


def plot_cross_barcode(path, paths, names, subset, seed):
    """Plots the bars behind the RTD of two files, of the first subset."""
    dists = first_distances(*map(load, paths), subset, seed)
    plots.save(plots.cross_barcode(*dists, names=names), path)


def main(argv):
    paths = argv[1:]
    if len(paths) < 2:
        raise app.UsageError('name at least two .npy files, received '
                             f'{len(paths)}')
    try:
        means, stds = compare_all(paths, _DIVERGENCE.value, _SUBSET.value,
                                  _REPEATS.value, _SEED.value)
    except ValueError as error:
        sys.exit(f'Error: {error}')
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    print_table(names, means, stds)
    if _PICTURE.value:
        plots.save(plots.divergence_matrix(
            means, names, stds=stds if _REPEATS.value > 1 else None,
            label=_DIVERGENCE.value), _PICTURE.value)
        print(f'Matrix of all pairs: {_PICTURE.value}', file=sys.stderr)
    if _BARCODES.value:
        plot_cross_barcode(_BARCODES.value, paths[:2], names[:2],
                           _SUBSET.value, _SEED.value)
        print(f'Cross-barcodes of {names[0]} and {names[1]}: '
              f'{_BARCODES.value}', file=sys.stderr)


if __name__ == '__main__':
    app.run(main)
