"""Copies of published data sets that TensorFlow Datasets has prepared.

A copy is read without TensorFlow, if it was prepared as array_record. TFDS's
own are shuffled, so that images are put into the grid's order by their labels.
"""

import importlib.util
import io
import json
import os
import re

import numpy as np

from topdis_jax.data import pictures
from topdis_jax.data.errors import DataError
from topdis_jax.data.readers import Stream

# What TFDS calls them: its own data sets, and those of `builders`.
NAMES = {'dsprites': 'dsprites', 'shapes3d': 'shapes3d', 'celeba': 'celeb_a',
         'mpi3d_toy': 'mpi3d/toy', 'mpi3d_realistic': 'mpi3d/realistic',
         'mpi3d_real': 'mpi3d/real', 'mpi3d_complex': 'mpi3d/complex',
         'faces3d': 'faces3d'}
FORMAT = 'array_record'
_AT_ONCE = 1024


def find(name, root):
    """Folder of the newest version that is prepared, or None."""
    for folder in folders(root):
        versions = os.path.join(folder, NAMES[name])
        try:
            found = [os.path.join(versions, version)
                     for version in os.listdir(versions)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        found = [path for path in found if _format(path) == FORMAT]
        if found:
            return max(found, key=_version)
    return None


def folders(root):
    """Where copies may lie, the first one to prepare in."""
    own = (os.environ.get('TFDS_DATA_DIR')
           or os.path.join('~', 'tensorflow_datasets'))
    return [*([root] if root else []), os.path.expanduser(own)]


def labels(name, published):
    """What a copy calls the factors, in their order."""
    others = {'x': 'x_position', 'y': 'y_position'}  # of TFDS's dSprites
    return ['label_' + (others.get(factor, factor) if name == 'dsprites'
                        else factor) for factor in published.factor_names]


def stream(name, published, path):
    """The stream of a prepared copy, in the grid's order.

    Args:
      name: a key of NAMES.
      published: Published; its grid is the one that the copy must have.
      path: of the copy, from `find` or preparing.get.

    Raises:
      DataError: the copy is another one. The stream raises it too.
    """
    examples = _Examples(path)
    if len(examples) != published.shape[0]:
        raise DataError(f'{path} has {len(examples)} images, expected '
                        f'{published.shape[0]}')

    def blocks():
        order = np.arange(len(examples))
        if published.factor_names:
            order = _order(path, examples, published, labels(name, published))
        for begin in range(0, len(order), _AT_ONCE):
            yield np.stack([
                _image(name, published, path, example['image'])
                for example in examples.get(order[begin:begin + _AT_ONCE])])

    return Stream(published.shape, blocks, published.factor_names,
                  published.factor_sizes)


def _format(path):
    """File format of what lies in a version's folder, or None."""
    try:
        with open(os.path.join(path, 'dataset_info.json')) as file:
            return json.load(file).get('fileFormat')
    except (OSError, ValueError):
        return None


def _version(path):
    return [int(part) for part in re.findall(r'\d+', os.path.basename(path))]


class _Examples:
    """The examples of all splits, in the order of the splits' names."""

    def __init__(self, path):
        if not importlib.util.find_spec('tensorflow_datasets'):
            raise DataError(f'{path} is read with the package '
                            'tensorflow-datasets, which is not installed')
        import tensorflow_datasets as tfds
        builder = tfds.builder_from_directory(path)
        # Images stay encoded until they are asked for.
        self._parts = [builder.as_data_source(
            split=split, decoders={'image': tfds.decode.SkipDecoding()})
            for split in sorted(builder.info.splits)]
        self._ends = np.cumsum([len(part) for part in self._parts])

    def __len__(self):
        return int(self._ends[-1])

    def get(self, places):
        """The examples at places [n], as dicts."""
        parts = np.searchsorted(self._ends, places, side='right')
        starts = self._ends - [len(part) for part in self._parts]
        return [self._parts[part][int(place - starts[part])]
                for part, place in zip(parts, places)]


def _order(path, examples, published, names):
    """Places of the examples [N], in the order of the grid."""
    from topdis_jax import progress
    factors = np.empty((len(examples), len(names)), np.int64)
    for place in progress.Bar(range(len(examples)), unit='image',
                              unit_scale=True, desc='Reading the labels'):
        (example,) = examples.get([place])
        factors[place] = [example[name] for name in names]
    if np.any(factors < 0) or np.any(factors >= published.factor_sizes):
        raise DataError(f'{path} has factors outside of the sizes '
                        f'{published.factor_sizes}')
    index = np.ravel_multi_index(tuple(factors.T), published.factor_sizes)
    order = np.argsort(index)
    if not np.array_equal(index[order], np.arange(len(order))):
        raise DataError(f'{path} has not every image of the grid once')
    return order


def _image(name, published, path, encoded):
    """One image [h, w, c] uint8 from its PNG or JPEG."""
    from PIL import Image
    try:
        image = Image.open(io.BytesIO(encoded))
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f'{path} has an image that cannot be read; remove '
                        'this folder and prepare it again') from error
    if name == 'celeba':
        return pictures.crop_celeba(image)
    pixels = np.asarray(image).reshape(*image.size[::-1], -1)
    if pixels.shape != published.image_shape or pixels.dtype != np.uint8:
        raise DataError(f'{path} must have images {published.image_shape} '
                        f'uint8, received {pixels.shape} {pixels.dtype}')
    if name == 'dsprites' and pixels.max() <= 1:
        return pixels * np.uint8(255)  # TFDS has 0 and 1, as the file
    return pixels
