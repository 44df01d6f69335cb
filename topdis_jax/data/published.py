"""The data sets that others publish: files, pages, grids of factors."""

import math
import os
from typing import NamedTuple


class Published(NamedTuple):
    """A data set that others publish.

    Attributes:
      file: its name, as published.
      page: where it is published.
      image_shape: (h, w, c) of the images that are trained on.
      factor_names, factor_sizes: in the order of the file, the last one
        fastest; () for no factors.
      access: what to do beyond a download, if anything.
      others: names that the same content goes by.
      images: their number, of a data set without factors.
      address: of the file, if this package's own builder of TFDS downloads it.
    """
    file: str
    page: str
    image_shape: tuple
    factor_names: tuple = ()
    factor_sizes: tuple = ()
    access: str = ''
    others: tuple = ()
    images: int = 0
    address: str = ''

    @property
    def shape(self):
        """(N, h, w, c) of all images."""
        count = math.prod(self.factor_sizes) if self.factor_sizes else 0
        return count or self.images, *self.image_shape

    def find(self, root):
        """Path of the file, under one of its names, or None.

        Args:
          root: the folder that it may lie in, or the path itself.
        """
        if os.path.isfile(root) or os.path.basename(
                os.path.normpath(root)) in self.others:
            return root if os.path.exists(root) else None
        paths = (os.path.join(root, name)
                 for name in (self.file, *self.others))
        return next(filter(os.path.exists, paths), None)


# Addresses as the page links them.
_MPI3D = 'https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/'
_MPI3D_COMPLEX = ('https://drive.google.com/uc?export=download&id='
                  '1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm')


def _mpi3d(file, colors, shapes, address=''):
    return Published(
        file, 'https://github.com/rr-learning/disentanglement_dataset',
        (64, 64, 3),
        ('object_color', 'object_shape', 'object_size', 'camera_height',
         'background_color', 'horizontal_axis', 'vertical_axis'),
        (colors, shapes, 2, 3, 3, 40, 40), address=address or _MPI3D + file)


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
    'mpi3d_complex': _mpi3d('real3d_complicated_shapes_ordered.npz', 4, 4,
                            _MPI3D_COMPLEX),
    'faces3d': Published(
        'basel_face_renders.pth', 'https://github.com/rtqichen/beta-tcvae',
        (64, 64, 1), ('identity', 'azimuth', 'elevation', 'lighting'),
        (50, 21, 11, 11),
        'the licence of the face model forbids to publish the images, so '
        'that they must be asked for there',
        others=('basel_face_renders.npy', 'basel_face_renders.npz')),
    'celeba': Published(
        'img_align_celeba.zip',
        'https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html', (64, 64, 3),
        others=('img_align_celeba',), images=202_599),
}
