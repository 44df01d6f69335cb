"""Copies of published data sets that TensorFlow Datasets has prepared.

A copy is read without TensorFlow, if it was prepared as array_record. TFDS
shuffles, so that images are put back into the grid's order by their labels.
"""

import importlib.util
import io
import json
import os
import re
import socket

import numpy as np

from topdis_jax.data import pictures
from topdis_jax.data.errors import DataError
from topdis_jax.data.readers import Stream

_NAMES = {'dsprites': 'dsprites', 'shapes3d': 'shapes3d',
          'celeba': 'celeb_a'}
_LABELS = {
    'dsprites': ('label_shape', 'label_scale', 'label_orientation',
                 'label_x_position', 'label_y_position'),
    'shapes3d': ('label_floor_hue', 'label_wall_hue', 'label_object_hue',
                 'label_scale', 'label_shape', 'label_orientation'),
}
_HOSTS = {'dsprites': 'raw.githubusercontent.com',
          'shapes3d': 'storage.googleapis.com',
          'celeba': 'drive.usercontent.google.com'}
_PACKAGES = ('tensorflow', 'h5py', 'importlib_resources')
_FORMAT = 'array_record'
_AT_ONCE = 1024


def way(name):
    """A line that says how to have a data set from TFDS."""
    if name not in _NAMES:
        return f'TFDS has no {name}'
    return (f'TFDS: pip install tensorflow-datasets {" ".join(_PACKAGES)} && '
            f'tfds build {_NAMES[name]} --file_format={_FORMAT}, on any '
            'machine; TensorFlow is not needed to read what it writes, in '
            '~/tensorflow_datasets or, with --data_dir, in config.data.root')


def find(name, root):
    """Folder of the newest version that is prepared, or None."""
    if name not in _NAMES:
        return None
    for folder in _folders(root):
        versions = os.path.join(folder, _NAMES[name])
        try:
            found = [os.path.join(versions, version)
                     for version in os.listdir(versions)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        found = [path for path in found if _format(path) == _FORMAT]
        if found:
            return max(found, key=_version)
    return None


def get(name, root):
    """Folder of a prepared copy, which TFDS makes if there is none.

    Raises:
      DataError: TFDS has no such data set, or cannot make it here.
    """
    if name not in _NAMES:
        raise DataError(
            f'config.data.source=tfds: {way(name)}, only '
            f'{", ".join(_NAMES)}; use --config.data.source=file')
    found = find(name, root)
    if found:
        return found
    start = f'TFDS has not prepared {name} in {" or ".join(_folders(root))}, '
    lacking = [package for package in ('tensorflow_datasets', *_PACKAGES)
               if not importlib.util.find_spec(package)]
    if lacking:
        raise DataError(f'{start}and cannot here without '
                        f'{", ".join(lacking)}. {way(name)}')
    # TFDS itself would try for minutes.
    if not _reachable(_HOSTS[name]):
        raise DataError(f'{start}and cannot here, because {_HOSTS[name]} '
                        f'cannot be reached. {way(name)}')
    return _prepare(name, _folders(root)[0])


def stream(name, published, path):
    """The stream of a prepared copy, in the grid's order.

    Args:
      name: a data set that TFDS has.
      published: Published; its grid is the one that the copy must have.
      path: of the copy, from `find` or `get`.

    Raises:
      DataError: the copy is another one. The stream raises it too.
    """
    examples = _Examples(path)
    if len(examples) != published.shape[0]:
        raise DataError(f'{path} has {len(examples)} images, expected '
                        f'{published.shape[0]}')

    def blocks():
        order = np.arange(len(examples))
        if name in _LABELS:
            order = _order(path, examples, published, _LABELS[name])
        for begin in range(0, len(order), _AT_ONCE):
            yield np.stack([
                _image(name, published, path, example['image'])
                for example in examples.get(order[begin:begin + _AT_ONCE])])

    return Stream(published.shape, blocks, published.factor_names,
                  published.factor_sizes)


def _folders(root):
    """Where to look, the first one to prepare in."""
    own = (os.environ.get('TFDS_DATA_DIR')
           or os.path.join('~', 'tensorflow_datasets'))
    return [*([root] if root else []), os.path.expanduser(own)]


def _format(path):
    """File format of what lies in a version's folder, or None."""
    try:
        with open(os.path.join(path, 'dataset_info.json')) as file:
            return json.load(file).get('fileFormat')
    except (OSError, ValueError):
        return None


def _version(path):
    return [int(part) for part in re.findall(r'\d+', os.path.basename(path))]


def _reachable(host):
    try:
        socket.create_connection((host, 443), timeout=5).close()
    except OSError:
        return False
    return True


def _prepare(name, folder):
    import tensorflow_datasets as tfds
    builder = tfds.builder(_NAMES[name], data_dir=folder, file_format=_FORMAT)
    builder.download_and_prepare()
    return os.fspath(builder.data_dir)


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


def _order(path, examples, published, labels):
    """Places of the examples [N], in the order of the grid."""
    import tqdm
    factors = np.empty((len(examples), len(labels)), np.int64)
    for place in tqdm.trange(len(examples), unit='image', unit_scale=True,
                             desc='Reading the labels', dynamic_ncols=True):
        (example,) = examples.get([place])
        factors[place] = [example[label] for label in labels]
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
    image = Image.open(io.BytesIO(encoded))
    if name == 'celeba':
        return pictures.crop_celeba(image)
    pixels = np.asarray(image).reshape(*image.size[::-1], -1)
    if pixels.shape != published.image_shape or pixels.dtype != np.uint8:
        raise DataError(f'{path} must have images {published.image_shape} '
                        f'uint8, received {pixels.shape} {pixels.dtype}')
    if name == 'dsprites' and pixels.max() <= 1:
        return pixels * np.uint8(255)  # TFDS has 0 and 1, as the file
    return pixels
