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
      suffix: of the images of an archive.
      original_size: (width, height) that these must have; () for any.
      crop: side of their central square, which is resized to image_shape; 0
        for the largest.
      how_to_get: what to do besides a download, if anything.
      url: of the file, if it can be fetched; '' if not.
      sha256: of the file, in hexadecimal; '' if none is published.
      more_files: (name, SHA-256) of further files that belong to it, in the
        same folder and beside the same url.
      format: key of the reader in `readers`; '' if the ending tells it.
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
    suffix: str = '.jpg'
    original_size: tuple[int, ...] = ()
    crop: int = 0
    how_to_get: str = ''
    url: str = ''
    sha256: str = ''
    more_files: tuple[tuple[str, str], ...] = ()
    format: str = ''
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
        if not all(os.path.exists(os.path.join(root, name))
                   for name, _ in self.more_files):
            return None
        return next(filter(os.path.exists, paths), None)


# URLs as the pages link them. SHA-256 of 3D Shapes and SmallNORB: TensorFlow
# Datasets' tables of checksums. The others publish none: their readers check
# the shape, and most formats have checksums of their own.
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


_NORB_TRAIN = 'smallnorb-5x46789x9x18x6x2x96x96-training-'
_NORB_TEST = 'smallnorb-5x01235x9x18x6x2x96x96-testing-'


def _high_resolution(name, file, link, names, sizes):
    """The sets of Nie et al., 2020, in their versions of 128 x 128."""
    return PublishedDataset(
        name, f'{file}.zip',
        'https://github.com/NVlabs/High-res-disentanglement-datasets',
        (128, 128, 3), names, sizes, other_files=(file,),
        original_size=(128, 128), crop=128, suffix='.png',
        url=f'https://drive.google.com/uc?export=download&id={link}')


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
        'cars3d', 'nips2015-analogy-data.tar.gz',
        'http://www.scottreed.info', (64, 64, 3),
        ('object_type', 'azimuth', 'elevation'), (183, 24, 4),
        url='http://www.scottreed.info/files/nips2015-analogy-data.tar.gz',
        format='cars3d'),
    PublishedDataset(
        'smallnorb', _NORB_TRAIN + 'dat.mat.gz',
        'https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/', (64, 64, 1),
        ('category', 'instance', 'elevation', 'azimuth', 'lighting'),
        (5, 10, 9, 18, 6), format='smallnorb',
        url='https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/'
        + _NORB_TRAIN + 'dat.mat.gz',
        sha256='5ffd6272a07d32695ee1082a26a41a93'
        'a37aab8c28da047f8c34ed348d214873',
        more_files=(
            (_NORB_TRAIN + 'cat.mat.gz', '2784e542c1922060691090952b6cd627'
             '8879a216c90f81476f0f00256d42cdaa'),
            (_NORB_TRAIN + 'info.mat.gz', 'de7eb932ebe7a4ee16217fead60660d0'
             'eb3d23632c2f4d1c51f88c501c17bf32'),
            (_NORB_TEST + 'dat.mat.gz', 'cf7104eed3e51174d2f65b66d1e5878b'
             '9da233b886f161b0d88f4510ba2c7474'),
            (_NORB_TEST + 'cat.mat.gz', 'ecaf6d5bb8c3bc5eab9cf0258f6d2198'
             'dd474e016e374836fc097f2e5ff509ff'),
            (_NORB_TEST + 'info.mat.gz', '16adf314226327ee006d1a44db8cfef5'
             '2773c06c829951d5653a9f6f310248a2'))),
    # The order of the files' numbers, by the sizes of the page's formula; its
    # names are in another order there than in its pictures.
    _high_resolution(
        'isaac3d', 'Isaac3D_down128', '1OmQ1G2wnm6eTsSFGTKFZZAh5D3nQTW1B',
        ('object_shape', 'robot_x', 'robot_y', 'camera_height',
         'object_scale', 'lighting_intensity', 'lighting_y', 'object_color',
         'wall_color'), (3, 8, 5, 4, 4, 4, 6, 4, 4)),
    _high_resolution(
        'falcor3d', 'Falcor3D_down128', '1XAQfFK1x6cpN1eiovbP0hVfLTm5SsSoJ',
        ('lighting_intensity', 'lighting_x', 'lighting_y', 'lighting_z',
         'camera_x', 'camera_y', 'camera_z'), (5, 6, 6, 6, 6, 6, 6)),
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
