"""Data sets converted to one memory-mapped array in the cache folder."""

from collections.abc import Callable
import hashlib
import json
import os

from topdis_jax import files
from topdis_jax.data.factors import FactorDataset
from topdis_jax.data.store import cache
from topdis_jax.data.store.stream import Stream

_VERSION = 1  # of the conversion; a new version converts again


def load(name: str, path: str, make_stream: Callable[[], Stream], *,
         key: str | None = None) -> FactorDataset:
    """Loads a converted data set, or converts it if its file is new.

    The cache folder (cache.folder()) has the images in `KEY-v1.npy` and the
    factors, the origin and the SHA-256 of the images in `KEY-v1.json`.

    Args:
      name: of the data set.
      path: of the file or folder that the stream reads.
      make_stream: () -> Stream; called only to convert.
      key: of the files in the cache; None: the name.

    Raises:
      DataError: from the stream.
      OSError: the cache folder cannot be written to or is full.
    """
    origin = _origin(path)
    found = _find(name, key or name, lambda facts: facts['origin'] == origin)
    return found or _convert(name, key or name, origin, make_stream())


def cached(name: str, shape: tuple[int, ...]) -> FactorDataset | None:
    """The FactorDataset that was converted before, or None.

    None also if its original file has changed since, or if its images do not
    have `shape`. The original file need not exist any more.
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
            TypeError):  # absent, or not written by this function
        return None


def _convert(name, key, origin, stream):
    array_path, facts_path = _paths(key)
    digest = hashlib.sha256()

    def blocks():
        for block in _with_progress(name, stream):
            digest.update(block)
            yield block

    def finish():
        # Facts and array never come from different files.
        if os.path.exists(array_path):
            os.remove(array_path)
        files.write_json(facts_path, {
            'name': name, 'shape': list(stream.shape),
            'factor_names': list(stream.factor_names),
            'factor_sizes': list(stream.factor_sizes),
            'origin': origin, 'sha256': digest.hexdigest()})

    return cache.get_or_create(
        array_path, stream.shape, name,
        lambda: _find(name, key, lambda facts: facts['origin'] == origin),
        blocks, finish)


def _with_progress(name, stream):
    """The stream's blocks, with a progress bar."""
    from topdis_jax import progress
    size = stream.shape[1] * stream.shape[2] * stream.shape[3]
    with progress.Bar(total=stream.shape[0], unit='image', unit_scale=True,
                      desc=f'Converting {name}, once') as bar:
        for block in stream.blocks():
            yield block
            bar.update(block.size // size)


def _origin(path):
    """Path, size and time; they change when a file or folder changes."""
    paths = [path]
    if os.path.isdir(path):
        paths = [os.path.join(folder, name)
                 for folder, _, names in os.walk(path) for name in names]
    stats = [os.stat(path) for path in paths]
    return {'path': os.path.realpath(path), 'files': len(paths),
            'size': sum(stat.st_size for stat in stats),
            'mtime': max((stat.st_mtime_ns for stat in stats), default=0)}
