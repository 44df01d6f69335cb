"""Any stream of images, kept as one array that is mapped into memory."""

import hashlib
import json
import os

from topdis_jax import files
from topdis_jax.data import cache
from topdis_jax.data.factors import FactorDataset

_VERSION = 1  # of the conversion: another one is made anew


def load(name, path, make_stream, *, key=None):
    """A FactorDataset, converted now unless it has been from the same file.

    The array, `KEY-v1.npy`, lies in the cache folder (cache.folder()), with a
    `KEY-v1.json` that has its factors, where it comes from and its SHA-256.

    Args:
      name: of the data set.
      path: of the file or folder that the stream reads.
      make_stream: () -> readers.Stream; called only to convert.
      key: of the cache's files; None: the name.

    Raises:
      DataError: from the stream.
      OSError: the cache folder cannot be written to or is full.
    """
    origin = _origin(path)
    found = _find(name, key or name, lambda facts: facts['origin'] == origin)
    return found or _convert(name, key or name, origin, make_stream())


def cached(name, shape):
    """The FactorDataset that was converted before, or None.

    None as well if its origin has changed since, or if its images are not of
    `shape`. An origin that is gone is no hindrance.
    """
    def usable(facts):
        path = facts['origin']['path']
        return facts['shape'] == list(shape) and (
            not os.path.exists(path) or facts['origin'] == _origin(path))

    return _find(name, name, usable)


def _paths(key):
    base = os.path.join(cache.folder(), f'{key}-v{_VERSION}')
    return base + '.npy', base + '.json'


def _find(name, key, usable):
    """The data set of a key whose facts are usable, or None."""
    array_path, facts_path = _paths(key)
    try:
        with open(facts_path) as file:
            facts = json.load(file)
        if not usable(facts):
            return None
        images = cache.open_array(array_path, facts['shape'])
        return images if images is None else FactorDataset(
            name, images, tuple(facts['factor_names']),
            tuple(facts['factor_sizes']))
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError,
            TypeError):  # none, or not written by this program
        return None


def _convert(name, key, origin, stream):
    array_path, facts_path = _paths(key)
    digest = hashlib.sha256()

    def blocks():
        for block in _shown(name, stream):
            digest.update(block)
            yield block

    def finish():
        # Facts and array never belong to different files.
        if os.path.exists(array_path):
            os.remove(array_path)
        files.write_json(facts_path, {
            'name': name, 'shape': list(stream.shape),
            'factor_names': list(stream.factor_names),
            'factor_sizes': list(stream.factor_sizes),
            'origin': origin, 'sha256': digest.hexdigest()})

    return cache.keep(
        array_path, stream.shape, name,
        lambda: _find(name, key, lambda facts: facts['origin'] == origin),
        blocks, finish)


def _shown(name, stream):
    """The stream's blocks, with a progress bar."""
    from topdis_jax import progress
    size = stream.shape[1] * stream.shape[2] * stream.shape[3]
    with progress.Bar(total=stream.shape[0], unit='image', unit_scale=True,
                      desc=f'Converting {name}, once') as bar:
        for block in stream.blocks():
            yield block
            bar.update(block.size // size)


def _origin(path):
    """What tells whether a file, or a folder's files, have changed."""
    paths = [path]
    if os.path.isdir(path):
        paths = [os.path.join(folder, name)
                 for folder, _, names in os.walk(path) for name in names]
    stats = [os.stat(path) for path in paths]
    return {'path': os.path.realpath(path), 'files': len(paths),
            'size': sum(stat.st_size for stat in stats),
            'mtime': max((stat.st_mtime_ns for stat in stats), default=0)}
