"""All data sets by name."""

import difflib
import os
from typing import NamedTuple

from topdis_jax.data import rendered

SOURCES = ('auto', 'file', 'tfds')


class DataError(ValueError):
    """A data set that cannot be had; the message says what to do."""


class Published(NamedTuple):
    """A data set that others publish: its file and the page that has it."""
    file: str
    page: str


PUBLISHED = {
    'dsprites': Published(
        'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz',
        'https://github.com/google-deepmind/dsprites-dataset'),
    'shapes3d': Published(
        '3dshapes.h5', 'https://github.com/google-deepmind/3d-shapes'),
    'mpi3d_toy': Published(
        'mpi3d_toy.npz',
        'https://github.com/rr-learning/disentanglement_dataset'),
    'mpi3d_realistic': Published(
        'mpi3d_realistic.npz',
        'https://github.com/rr-learning/disentanglement_dataset'),
    'mpi3d_real': Published(
        'mpi3d_real.npz',
        'https://github.com/rr-learning/disentanglement_dataset'),
    'mpi3d_complex': Published(
        'real3d_complicated_shapes_ordered.npz',
        'https://github.com/rr-learning/disentanglement_dataset'),
    'faces3d': Published(
        'basel_face_renders.pth', 'https://github.com/rtqichen/beta-tcvae'),
    'celeba': Published(
        'img_align_celeba.zip',
        'https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html'),
}


def load(name, *, root=None, source='auto'):
    """A FactorDataset by its name.

    Args:
      name: a key of rendered.GRIDS or PUBLISHED.
      root: folder of the published files.
      source: 'auto', 'file' or 'tfds'; of published data sets.

    Raises:
      DataError: unknown name or source, a file that is not there (the message
        has its name and the page that publishes it), or a cache that cannot
        be written to.
    """
    if source not in SOURCES:
        raise DataError(f'config.data.source must be one of '
                        f'{", ".join(SOURCES)}, received {source!r}')
    if name in rendered.GRIDS:
        try:
            return rendered.load(name)
        except OSError as error:
            raise DataError(str(error)) from error
    if name not in PUBLISHED:
        raise DataError(_unknown(name))
    published = PUBLISHED[name]
    path = os.path.join(root or '.', published.file)
    if not os.path.exists(path):
        raise DataError(
            f'the data set {name} needs the file {published.file}, which is '
            f'not in {os.path.abspath(root or ".")}. It is published at '
            f'{published.page}; download it and give its folder with '
            '--config.data.root=FOLDER')
    raise DataError(
        f'{path} is there, but this version does not read {name} yet; the '
        f'data sets that it has are {", ".join(rendered.GRIDS)}')


def _unknown(name):
    known = [*rendered.GRIDS, *PUBLISHED]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean {near[0]!r}?' if near else ''
    return (f'config.data.name must be one of {", ".join(known)}, received '
            f'{name!r}{hint}')
