"""Reads copies of published data sets made by TensorFlow Datasets (TFDS).

A copy in the array_record format is read without TensorFlow. TFDS shuffles its
own data sets; their labels tell the place of each image in the grid.
"""

import importlib.util
import io
import json
import os
import re

import numpy as np

from topdis_jax.data.errors import DataError
from topdis_jax.data.published import image_files
from topdis_jax.data.published.table import PublishedDataset
from topdis_jax.data.store.stream import Stream

FORMAT = 'array_record'
_PER_BLOCK = 1024


def find(published: PublishedDataset, root: str | None) -> str | None:
    """Folder of the newest copy that can be read, or None.

    Args:
      published: the data set.
      root: folder where copies may be, besides TFDS's own folder.
    """
    if not published.tfds_name:
        return None
    for folder in folders(root):
        versions = os.path.join(folder, published.tfds_name)
        try:
            found = [os.path.join(versions, version)
                     for version in os.listdir(versions)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        found = [path for path in found if _format(path) == FORMAT]
        if found:
            return max(found, key=_version)
    return None


def folders(root: str | None) -> list[str]:
    """Folders where copies may be; new copies go into the first one."""
    own = (os.environ.get('TFDS_DATA_DIR')
           or os.path.join('~', 'tensorflow_datasets'))
    return [*([root] if root else []), os.path.expanduser(own)]


def labels(published: PublishedDataset) -> tuple[str, ...]:
    """Names of the factors in a copy, in the order of the grid."""
    return published.tfds_labels or tuple(
        f'label_{factor}' for factor in published.factor_names)


def stream(published: PublishedDataset, path: str) -> Stream:
    """Reads a copy, in the order of the grid.

    Args:
      published: the data set; the copy must have its grid.
      path: of the copy, from `find` or tfds_prepare.find_or_prepare.

    Raises:
      DataError: the copy does not have the published images; the stream's
        blocks raise it too.
    """
    examples = _Examples(path)
    if len(examples) != published.shape[0]:
        raise DataError(f'{path} has {len(examples)} images, expected '
                        f'{published.shape[0]}')

    def blocks():
        order = np.arange(len(examples))
        if published.factor_names:
            order = _order(path, examples, published, labels(published))
        for begin in range(0, len(order), _PER_BLOCK):
            yield np.stack([
                _image(published, path, example['image'])
                for example in examples.get(order[begin:begin + _PER_BLOCK])])

    return Stream(published.shape, blocks, published.factor_names,
                  published.factor_sizes)


def _format(path):
    """File format of the copy in a version's folder, or None."""
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
        # Images stay encoded until they are needed.
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


def _image(published, path, encoded):
    """Decodes a PNG or JPEG as [h, w, c] uint8."""
    from PIL import Image
    try:
        image = Image.open(io.BytesIO(encoded))
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f'{path} has an image that cannot be read; remove '
                        'this folder and prepare it again') from error
    if published.crop:
        return image_files.crop_published(published, image)
    pixels = np.asarray(image).reshape(*image.size[::-1], -1)
    if pixels.shape != published.image_shape or pixels.dtype != np.uint8:
        raise DataError(f'{path} must have images {published.image_shape} '
                        f'uint8, received {pixels.shape} {pixels.dtype}')
    if published.binary and pixels.max() <= 1:
        return pixels * np.uint8(255)
    return pixels
