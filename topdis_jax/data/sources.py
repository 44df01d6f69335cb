"""All data sets by name."""

import difflib
import hashlib
import math
import os
import sys

from topdis_jax.data import cache, convert, prepared, preparing
from topdis_jax.data import readers, rendered, scenes
from topdis_jax.data.errors import DataError
from topdis_jax.data.published import PUBLISHED

SOURCES = ('auto', 'file', 'tfds')
OWN = 'own'

_RENDERED = (dict.fromkeys(rendered.GRIDS, rendered.load)
             | dict.fromkeys(scenes.GRIDS, scenes.load))


def load(name, *, root=None, source='auto'):
    """A FactorDataset by its name.

    A published data set is converted once, into the cache. 'auto' looks for
    its file where `root` says, for what was converted before, for its file in
    the current folder, and for a copy that TFDS has prepared, in this order.
    'file' and 'tfds' take that alone; 'tfds' prepares the copy if it can.

    Args:
      name: a rendered data set, a key of PUBLISHED, or 'own': a user's .npz
        or folder of pictures (readers.own).
      root: folder of the published files and of TFDS, or the file itself;
        None: the current folder, and TFDS's own.
      source: 'auto', 'file' or 'tfds'; of published data sets.

    Raises:
      DataError: an unknown name or source, a data set that is not there, a
        file that is damaged or of another format, or a cache that is full or
        cannot be written to; the message says what to do.
    """
    if source not in SOURCES:
        raise DataError(f'config.data.source must be one of '
                        f'{", ".join(SOURCES)}, received {source!r}')
    try:
        if name in _RENDERED:
            return _RENDERED[name](name)
        if name == OWN:
            return _load_own(root)
        if name in PUBLISHED:
            return _load_published(name, root, source)
    except OSError as error:
        raise DataError(_told(error)) from error
    raise DataError(_unknown(name))


def _told(error):
    """What an OSError says, without its number."""
    where = f': {error.filename}' if error.filename else ''
    return f'{error.strerror or error}{where}'


def _load_own(root):
    if not root or not os.path.exists(root):
        raise DataError(
            'config.data.name=own needs --config.data.root=PATH, of an .npz '
            'with images and factor_sizes, of a .npy of images, or of a '
            'folder or .zip of pictures; '
            + (f'{os.path.abspath(root)} is not there' if root else
               'none is given'))
    # One name for many data sets: each has its own place in the cache.
    place = hashlib.sha256(os.path.realpath(root).encode()).hexdigest()[:12]
    return convert.load(OWN, root, lambda: readers.own(root),
                        key=f'{OWN}-{place}')


def _load_published(name, root, source):
    published = PUBLISHED[name]
    path = None if source == 'tfds' else published.find(root or '.')
    if source == 'auto' and not (root and path):
        # A file that the user names comes before what was converted.
        found = convert.cached(name, published.shape)
        if found is not None:
            if root:
                print(f'{root} has no {published.file}; taking the {name} '
                      'that was converted before', file=sys.stderr)
            return found
    if path:
        return convert.load(
            name, path, lambda: readers.read(name, published, path))
    if source == 'file':
        raise DataError(f'the data set {name} needs the file '
                        f'{_missing_file(published, root)}')
    if source == 'tfds':
        path = preparing.get(name, published, root)
    else:
        path = prepared.find(name, root)
    if path is None:
        raise DataError(_missing(name, published, root))
    return convert.load(
        name, path, lambda: prepared.stream(name, published, path))


def _missing(name, published, root):
    """What a data set is, what room it takes, and the ways to have it."""
    ways = [f'Its file: {_missing_file(published, root)}',
            preparing.way(name, published, root),
            'A stand-in: the rendered data sets '
            f'{", ".join(_RENDERED)} need no files '
            '(--config.data.name=NAME)']
    lines = '\n'.join(f'  {i}. {way}' for i, way in enumerate(ways, 1))
    return (f'the data set {name} is not on this machine. {_size(published)}. '
            f'To have it:\n{lines}')


def _size(published):
    """What the images take, in words."""
    count, height, width, channels = published.shape
    free = cache.free_space()
    return (f'It has {count} images of {height} x {width} x {channels}, which '
            f'take {cache.in_words(math.prod(published.shape))} in '
            f'{cache.folder()}' + ('' if free is None else
                                   f' ({cache.in_words(free)} are free there)')
            + ', beside the file itself')


def _missing_file(published, root):
    note = f' ({published.access})' if published.access else ''
    place = os.path.abspath(root or '.')
    there = 'in' if os.path.exists(place) else 'there, as there is no'
    return (f'{published.file}, which is not {there} '
            f'{place}. Its page is {published.page}'
            f'{note}; get it from there and give its folder with '
            '--config.data.root=FOLDER')


def _unknown(name):
    known = [*_RENDERED, *PUBLISHED, OWN]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean {near[0]!r}?' if near else ''
    return (f'config.data.name must be one of {", ".join(known)}, received '
            f'{name!r}{hint}')
