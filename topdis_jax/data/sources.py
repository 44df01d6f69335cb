"""All data sets by name."""

import difflib
import os
from typing import NamedTuple

from topdis_jax.data import rendered

SOURCES = ('auto', 'file', 'tfds')


class DataError(ValueError):
    """A data set that cannot be had; the message says what to do."""


class Published(NamedTuple):
    """A data set that others publish.

    Attributes:
      file: its name, as published.
      page: where it is published.
      image_shape: (h, w, c) of the images that are trained on.
      factor_names, factor_sizes: in the order of the file, the last one
        fastest; () for no factors.
      access: what to do beyond a download, if anything.
    """
    file: str
    page: str
    image_shape: tuple
    factor_names: tuple = ()
    factor_sizes: tuple = ()
    access: str = ''


def _mpi3d(file, colors, shapes):
    return Published(
        file, 'https://github.com/rr-learning/disentanglement_dataset',
        (64, 64, 3),
        ('object_color', 'object_shape', 'object_size', 'camera_height',
         'background_color', 'horizontal_axis', 'vertical_axis'),
        (colors, shapes, 2, 3, 3, 40, 40))


PUBLISHED = {
    'dsprites': Published(
        'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz',
        'https://github.com/google-deepmind/dsprites-dataset', (64, 64, 1),
        ('shape', 'scale', 'orientation', 'x', 'y'), (3, 6, 40, 32, 32)),
    'shapes3d': Published(
        '3dshapes.h5', 'https://github.com/google-deepmind/3d-shapes',
        (64, 64, 3),
        ('floor_hue', 'wall_hue', 'object_hue', 'scale', 'shape',
         'orientation'), (10, 10, 10, 8, 4, 15)),
    'mpi3d_toy': _mpi3d('mpi3d_toy.npz', 6, 6),
    'mpi3d_realistic': _mpi3d('mpi3d_realistic.npz', 6, 6),
    'mpi3d_real': _mpi3d('mpi3d_real.npz', 6, 6),
    'mpi3d_complex': _mpi3d('real3d_complicated_shapes_ordered.npz', 4, 4),
    'faces3d': Published(
        'basel_face_renders.pth', 'https://github.com/rtqichen/beta-tcvae',
        (64, 64, 1), ('identity', 'azimuth', 'elevation', 'lighting'),
        (50, 21, 11, 11),
        'the licence of the face model forbids to publish the images, so '
        'that they must be asked for there'),
    'celeba': Published(
        'img_align_celeba.zip',
        'https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html', (64, 64, 3)),
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
            f'not in {os.path.abspath(root or ".")}. Its page is '
            f'{published.page}{_note(published)}; get it from there and give '
            'its folder with --config.data.root=FOLDER')
    raise DataError(
        f'{path} is there, but this version does not read {name} yet; the '
        f'data sets that it has are {", ".join(rendered.GRIDS)}')


def _note(published):
    return f' ({published.access})' if published.access else ''


def _unknown(name):
    known = [*rendered.GRIDS, *PUBLISHED]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'; did you mean {near[0]!r}?' if near else ''
    return (f'config.data.name must be one of {", ".join(known)}, received '
            f'{name!r}{hint}')
