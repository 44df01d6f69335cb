"""The table of published data sets: one record has all facts of a data set.

A new data set in a known format is one more record. `readers` has the formats.
"""

import math
import os
from typing import NamedTuple


class PublishedDataset(NamedTuple):
    """A data set that others publish.

    Attributes:
      name: of the data set in this package (config.data.name).
      file: name of the published file; its ending tells the format.
      page: web page where it is published.
      image_shape: (h, w, c) of the images for training.
      factor_names, factor_sizes: in the order of the file, the last one varies
        fastest; () for no factors.
      num_images: of a data set without factors.
      other_files: other file or folder names for the same content.
      images_key: name of the array of images in an .npz or HDF5 file.
      labels_key: name of the array of factor values of all images, which must
        be in the order of the grid; '' for none. An .npz need not have it.
      binary: whether pixels are stored as 0 and 1.
      original_size: (width, height) that all JPEGs of an archive must have;
        () for any.
      crop: side of their central square, which is resized to image_shape; 0
        for the largest.
      how_to_get: what to do besides a download, if anything.
      url: of the file, if it can be fetched; '' if not.
      sha256: of the file, in hexadecimal; '' if none is published.
      tfds_name: name in TensorFlow Datasets (TFDS); '' if it has no builder.
      tfds_host: where TFDS's own builder downloads it from; '' if the builder
        is in `tfds_builders`.
      tfds_labels: TFDS's names of the factors; () for label_FACTOR.
    """
    name: str
    file: str
    page: str
    image_shape: tuple[int, int, int]
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
    num_images: int = 0
    other_files: tuple[str, ...] = ()
    images_key: str = 'images'
    labels_key: str = ''
    binary: bool = False
    original_size: tuple[int, ...] = ()
    crop: int = 0
    how_to_get: str = ''
    url: str = ''
    sha256: str = ''
    tfds_name: str = ''
    tfds_host: str = ''
    tfds_labels: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, h, w, c) of all images."""
        count = math.prod(self.factor_sizes) if self.factor_sizes else 0
        return count or self.num_images, *self.image_shape

    def find_file(self, root: str) -> str | None:
        """Path of the file, under one of its names, or None.

        Args:
          root: the folder that has the file, or the path of the file itself.
        """
        if os.path.isfile(root) or os.path.basename(
                os.path.normpath(root)) in self.other_files:
            return root if os.path.exists(root) else None
        paths = (os.path.join(root, name)
                 for name in (self.file, *self.other_files))
        return next(filter(os.path.exists, paths), None)


# URLs as the pages link them. SHA-256 of 3D Shapes: TensorFlow Datasets'
# table of checksums. The others publish none; their readers check the shape,
# and dSprites' .npz has checksums of its own.
_MPI3D = 'https://huggingface.co/datasets/waleedgondal/mpi3d/resolve/main/'
_MPI3D_COMPLEX = ('https://drive.google.com/uc?export=download&id='
                  '1Tp8eTdHxgUMtsZv5uAoYAbJR1BOa_OQm')


def _mpi3d(variant, file, num_colors, num_shapes, url=''):
    return PublishedDataset(
        f'mpi3d_{variant}', file,
        'https://github.com/rr-learning/disentanglement_dataset',
        (64, 64, 3),
        ('object_color', 'object_shape', 'object_size', 'camera_height',
         'background_color', 'horizontal_axis', 'vertical_axis'),
        (num_colors, num_shapes, 2, 3, 3, 40, 40),
        url=url or _MPI3D + file, tfds_name=f'mpi3d/{variant}')


_DATASETS = (
    PublishedDataset(
        'dsprites', 'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz',
        'https://github.com/google-deepmind/dsprites-dataset', (64, 64, 1),
        ('shape', 'scale', 'orientation', 'x', 'y'), (3, 6, 40, 32, 32),
        images_key='imgs', labels_key='latents_classes', binary=True,
        url='https://github.com/google-deepmind/dsprites-dataset/raw/master/'
        'dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz',
        tfds_name='dsprites', tfds_host='raw.githubusercontent.com',
        tfds_labels=('label_shape', 'label_scale', 'label_orientation',
                     'label_x_position', 'label_y_position')),
    PublishedDataset(
        'shapes3d', '3dshapes.h5',
        'https://github.com/google-deepmind/3d-shapes', (64, 64, 3),
        ('floor_hue', 'wall_hue', 'object_hue', 'scale', 'shape',
         'orientation'), (10, 10, 10, 8, 4, 15), labels_key='labels',
        url='https://storage.googleapis.com/3d-shapes/3dshapes.h5',
        sha256='0a0f6ed98baff276a50f3a081a7434d7'
        '88da63cb135a98189b2a5b5769be1785',
        tfds_name='shapes3d', tfds_host='storage.googleapis.com'),
    _mpi3d('toy', 'mpi3d_toy.npz', 6, 6),
    _mpi3d('realistic', 'mpi3d_realistic.npz', 6, 6),
    _mpi3d('real', 'mpi3d_real.npz', 6, 6),
    _mpi3d('complex', 'real3d_complicated_shapes_ordered.npz', 4, 4,
           _MPI3D_COMPLEX),
    PublishedDataset(
        'faces3d', 'basel_face_renders.pth',
        'https://github.com/rtqichen/beta-tcvae', (64, 64, 1),
        ('identity', 'azimuth', 'elevation', 'lighting'), (50, 21, 11, 11),
        other_files=('basel_face_renders.npy', 'basel_face_renders.npz'),
        how_to_get='the license of the face model forbids publishing the '
        'images; ask for them there', tfds_name='faces3d'),
    PublishedDataset(
        'celeba', 'img_align_celeba.zip',
        'https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html', (64, 64, 3),
        num_images=202_599, other_files=('img_align_celeba',),
        original_size=(178, 218), crop=148, tfds_name='celeb_a',
        tfds_host='drive.usercontent.google.com'),
)
PUBLISHED = {dataset.name: dataset for dataset in _DATASETS}
