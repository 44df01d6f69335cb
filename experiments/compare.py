"""Compares representations of the same points by their topology.

    python -m experiments.compare A.npy B.npy [C.npy ...]
        [--divergence=rtd] [--subset=500] [--repeats=10] [--seed=0]
        [--picture=PATH] [--barcodes=PATH]

Each file holds an array [n, ...]: the activations of a layer, embeddings,
codes. Prints the divergence of each pair with its standard deviation over
random subsets, and plots the matrix of all pairs. Of files with no more rows
than a subset, all rows are compared, once.
"""

import itertools
import os
import sys
import zipfile

from absl import flags
import numpy as np
from tqdm import tqdm

from experiments import console, flags_parser
from topdis_jax import plots, topology
from topdis_jax.data import DataError
from topdis_jax.topology.comparison import NAMES

_DIVERGENCE = flags.DEFINE_enum('divergence', 'rtd', NAMES,
                                'What compares two clouds.')
_SUBSET = flags.DEFINE_integer('subset', 500, 'Rows of a random subset.',
                               lower_bound=2)
_REPEATS = flags.DEFINE_integer(
    'repeats', 10, 'How many random subsets each mean is over.', lower_bound=1)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the subsets.')
_PICTURE = flags.DEFINE_string('picture', 'divergences.png',
                               'Where the matrix of all pairs is plotted; '
                               'nowhere if empty.')
_BARCODES = flags.DEFINE_string(
    'barcodes', None, 'Where the cross-barcodes of the first two files, the '
    'bars behind their RTD, are plotted; nowhere if not given.')


def load(path):
    """The array of a .npy file.

    Raises:
      DataError: no such file, or not an array of numbers.
    """
    try:
        found = np.load(path, mmap_mode='r', allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) else (
            'it is not a .npy file; save an array with numpy.save')
        raise DataError(f'cannot read {path}: {reason}') from error
    if not isinstance(found, np.ndarray):
        raise DataError(
            f'cannot read {path}: it is an .npz with the arrays '
            f'{", ".join(found)}; save one of them with numpy.save')
    return found


def compare_all(paths, divergence, subset, repeats, seed):
    """(means, deviations), [m, m] each, of all pairs of m files.

    A pair that is compared once has the deviation NaN.
    """
    clouds = [load(path) for path in paths]
    means, stds = np.zeros((2, len(paths), len(paths)))
    pairs = list(itertools.combinations(range(len(paths)), 2))
    # Of no more rows than a subset has, all are compared, once.
    total = sum(repeats if max(len(clouds[i]), len(clouds[j])) > subset else 1
                for i, j in pairs)
    with tqdm(total=total, desc=divergence, unit='subset',
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
                raise DataError(f'x is {paths[i]} and y is {paths[j]}: {error}'
                                ) from error
            means[i, j] = means[j, i] = found.mean
            stds[i, j] = stds[j, i] = (
                found.std if len(found.values) > 1 else np.nan)
    if divergence == 'nts':
        np.fill_diagonal(means, 1.0)
    return means, stds


def print_table(names, means, stds, repeats):
    width = max(map(len, names)) + 2
    once = '(all rows, once)' if repeats > 1 else '(once)'
    for i, j in itertools.combinations(range(len(names)), 2):
        spread = once if np.isnan(stds[i, j]) else f'+- {stds[i, j]:.4f}'
        print(f'{names[i]:<{width}}{names[j]:<{width}}'
              f'{means[i, j]:10.4f} {spread}')


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


def main(*paths):
    if len(paths) < 2:
        sys.exit('Error: name at least two .npy files, as in '
                 'experiments.compare A.npy B.npy; received '
                 + (' '.join(paths) or 'none'))
    for picture in filter(None, (_PICTURE.value, _BARCODES.value)):
        _make_folder(picture)
    means, stds = compare_all(paths, _DIVERGENCE.value, _SUBSET.value,
                              _REPEATS.value, _SEED.value)
    names = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    print_table(names, means, stds, _REPEATS.value)
    if _PICTURE.value:
        several = not np.all(np.isnan(stds[~np.eye(len(names), dtype=bool)]))
        plots.save(plots.divergence_matrix(
            means, names, stds=stds if several else None,
            label=_DIVERGENCE.value), _PICTURE.value)
        _tell('Matrix of all pairs', _PICTURE.value)
    if _BARCODES.value:
        plot_cross_barcode(_BARCODES.value, paths[:2], names[:2],
                           _SUBSET.value, _SEED.value)
        _tell(f'Cross-barcodes of {names[0]} and {names[1]}', _BARCODES.value)


def _make_folder(path):
    """Of a file that is written at the end; ends the program if it cannot."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        sys.exit(f'Error: {path} cannot be written: {folder} cannot be made '
                 f'({error.strerror}); name another file')


def _tell(what, path):
    """On stderr: stdout has the numbers alone, for programs that read them."""
    print(f'{what}: {os.path.abspath(path)}', file=sys.stderr)


if __name__ == '__main__':
    console.start(main, flags_parser.with_files)
