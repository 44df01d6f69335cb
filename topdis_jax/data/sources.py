"""Loads a data set by its name: rendered, published or the user's own."""

import hashlib
import math
import os
import sys
from typing import Any

from topdis_jax.data import own, rendered
from topdis_jax.data.errors import DataError, option
from topdis_jax.data.factors import FactorDataset
from topdis_jax.data.published import downloads, readers, table
from topdis_jax.data.published import tfds_copies, tfds_prepare
from topdis_jax.data.store import cache, conversion
from topdis_jax.suggestions import did_you_mean

SOURCES = ('auto', 'file', 'tfds')
OWN = 'own'


def load(name: str, *, root: str | None = None, source: str = 'auto',
         download: bool = True) -> FactorDataset:
    """Loads a data set by its name.

    A published data set is converted once, into the cache. 'auto' looks for
    its file at `root`, for an earlier conversion, for its file in the current
    folder and among the downloads, and for a copy that TFDS has prepared, in
    this order; if there is none, it downloads the file (`downloads.fetch`).
    'file' and 'tfds' use only that one; 'tfds' prepares the copy if it can.

    Args:
      name: of a rendered data set (rendered.GRIDS) or of a published one
        (table.PUBLISHED), or 'own': an .npz or .npy of the user, or a folder
        or .zip of image files (own.read).
      root: folder of the published files and of TFDS, or the file itself;
        None: the current folder, and TFDS's own folder.
      source: 'auto', 'file' or 'tfds'; for published data sets.
      download: whether 'auto' may download.

    Raises:
      DataError: an unknown name or source, a data set that is absent, a file
        that is damaged or has another format, or a cache that is full or
        cannot be written to; the message says what to do.
    """
    if source not in SOURCES:
        raise DataError(
            'source (in a run: config.data.source) must be one of '
            f'{", ".join(SOURCES)}, received {source!r}')
    try:
        if name in rendered.GRIDS:
            return rendered.load(name)
        if name == OWN:
            return _load_own(root)
        if name in table.PUBLISHED:
            return _load_published(name, root, source, download)
    except OSError as error:
        raise DataError(_error_text(error)) from error
    raise DataError(_unknown(name))


def of_config(options: Any, name: str | None = None) -> FactorDataset:
    """Loads the data set of config.data, or another one in its way.

    Args:
      options: config.data.
      name: of the data set; None: the one of the options.
    """
    return load(name or options.name, root=options.root or None,
                source=options.source,
                download=options.get('download', True))  # version 0.1: none


def _error_text(error):
    """The text of an OSError, without its number."""
    where = f': {error.filename}' if error.filename else ''
    return f'{error.strerror or error}{where}'


def _load_own(root):
    if not root or not os.path.exists(root):
        raise DataError(
            f'the data set own needs {option("root=PATH")}, of an .npz with '
            'images and factor_sizes, of a .npy of images, or of a folder or '
            '.zip of pictures; '
            + (f'{os.path.abspath(root)} is not there' if root else
               'none is given'))
    # One name for many data sets; each has its own files in the cache.
    place = hashlib.sha256(os.path.realpath(root).encode()).hexdigest()[:12]
    return conversion.load(OWN, root, lambda: own.read(root),
                           key=f'{OWN}-{place}')


def _load_published(name, root, source, download):
    published = table.PUBLISHED[name]
    path = None if source == 'tfds' else published.find_file(root or '.')
    if source == 'auto' and not (root and path):
        # A file that the user names precedes an earlier conversion.
        found = conversion.cached(name, published.shape)
        if found is not None:
            if root:
                print(f'{root} has no {published.file}; taking the {name} '
                      'that was converted before', file=sys.stderr)
            return found
    if source == 'auto' and not path:
        path = published.find_file(downloads.folder())
    can_fetch = source == 'auto' and download and bool(published.url)
    if path:
        return _converted(published, path, can_fetch)
    if source == 'file':
        raise DataError(f'the data set {name} needs the file '
                        f'{_missing_file(published, root)}')
    if source == 'tfds':
        path = tfds_prepare.find_or_prepare(published, root)
    else:
        path = tfds_copies.find(published, root)
    if path is None:
        path = _downloaded(name, published, root, download)
        return _converted(published, path, can_fetch)
    return conversion.load(
        name, path, lambda: tfds_copies.stream(published, path))


def _converted(published, path, can_fetch):
    """The data set of a published file.

    Raises:
      DataError: it cannot be read; a run that could fetch it again finds it in
        its place, and the message says so.
    """
    try:
        return conversion.load(published.name, path,
                               lambda: readers.read(published, path))
    except DataError as error:
        if not can_fetch:
            raise
        raise DataError(f'{error}. Once {path} is deleted, the same command '
                        'downloads it again') from error


def _downloaded(name, published, root, download):
    """Path of the file, downloaded if that may and can be.

    Raises:
      DataError: with the reason and the other ways.
    """
    if not published.url:
        reason = ''
    elif not download:
        reason = f' {option("download=False")} forbids to download it.'
    else:
        try:
            return downloads.fetch(published, root)
        except DataError as error:
            reason = f' {error}.'
    raise DataError(_missing(name, published, root, reason))


def _missing(name, published, root, reason=''):
    """The size of a data set, and the ways to get it."""
    ways = [f'Its file: {_missing_file(published, root)}',
            *([tfds_prepare.instructions(published, root)]
              if published.tfds_name else []),
            'A stand-in: the rendered data sets '
            f'{", ".join(rendered.GRIDS)} need no files: '
            + option('name=NAME')]
    lines = '\n'.join(f'  {i}. {way}' for i, way in enumerate(ways, 1))
    return (f'the data set {name} is not on this machine.{reason} '
            f'{_size(published)}. To have it:\n{lines}')


def _size(published):
    """The disk space that the images take, in words."""
    count, height, width, channels = published.shape
    free = cache.free_space()
    return (f'It has {count} images of {height} x {width} x {channels}, which '
            f'take {cache.in_words(math.prod(published.shape))} in '
            f'{cache.folder()}' + ('' if free is None else
                                   f' ({cache.in_words(free)} are free there)')
            + ', beside the file itself')


def _missing_file(published, root):
    note = f' ({published.how_to_get})' if published.how_to_get else ''
    place = os.path.abspath(root or '.')
    problem = 'lacks it' if os.path.exists(place) else 'does not exist'
    return (f'{published.file}; {place} {problem}. Its page is '
            f'{published.page}{note}; get it from there and give its folder '
            f'with {option("root=FOLDER")}')


def _unknown(name):
    known = [*rendered.GRIDS, *table.PUBLISHED, OWN]
    return ('name (in a run: config.data.name) must be one of '
            f'{", ".join(known)}, received {name!r}'
            + did_you_mean(name, known))
