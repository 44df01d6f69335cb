"""Readers of published files: one for each file format.

A reader is a function (published, path) -> blocks of a Stream. It checks that
the file has the published images, and raises DataError if not.
"""

import contextlib
import functools
import math
import os

import numpy as np

from topdis_jax.data.errors import DataError, damaged, reading_errors
from topdis_jax.data.published import archives, image_files, numpy_files
from topdis_jax.data.published.table import PublishedDataset
from topdis_jax.data.store.stream import Stream

_MAX_BLOCK = 2 ** 29  # bytes of a block of HDF5, whose chunks may be large


def read(published: PublishedDataset, path: str) -> Stream:
    """Reads a published file, in the order of the grid.

    Args:
      published: the data set; the file must have its grid.
      path: of the file; its ending tells the format.

    Raises:
      DataError: the file is damaged or not in the published format; the
        stream's blocks raise it too.
    """
    reader = (READERS.get(published.format or os.path.splitext(path)[1])
              or READERS[os.path.splitext(published.file)[1]])
    blocks = reader(published, path)
    if published.binary:
        blocks = functools.partial(_scaled, path, blocks)
    return Stream(published.shape, blocks, published.factor_names,
                  published.factor_sizes)


def _scaled(path, blocks):
    """Blocks of pixels 0 and 255, from those of 0 and 1."""
    for block in blocks():
        if block.max() > 1:
            raise DataError(f'pixels of {path} must be 0 and 1, received '
                            f'{block.max()}')
        yield block * np.uint8(255)


def _numpy(published, path):
    """Reader of .npz and .npy."""
    key = None if path.endswith('.npy') else published.images_key
    what = f'{key} of {path}' if key else path
    _check_header(published, what, *numpy_files.header(path, key))
    labels_key = published.labels_key
    if key and labels_key and labels_key in numpy_files.keys(path):
        _check_order(published, path, numpy_files.small(path, labels_key))
    return functools.partial(numpy_files.blocks, path, key)


def _torch(published, path):
    """Reader of .pth: one tensor, saved by PyTorch."""
    array = _torch_array(published, path)
    _check_header(published, path, array.shape, array.dtype)
    return lambda: [array]


def _torch_array(published, path):
    try:
        import torch
    except ImportError as error:
        new = os.path.splitext(published.file)[0] + '.npy'
        raise DataError(
            f'{path} is a file of PyTorch, which is not installed; install '
            f'torch, or, where it is, save the file as {new}: '
            'numpy.save(NEW, torch.load(OLD, weights_only=True).numpy())'
        ) from error
    try:
        # Tensors only: no other object in the file is created.
        return torch.load(path, map_location='cpu', weights_only=True).numpy()
    except Exception as error:  # torch has no common class for these
        raise damaged(path, error) from error


def _hdf5(published, path):
    """Reader of HDF5."""
    key = published.images_key
    with _hdf5_array(path, key) as images:
        _check_header(published, f'{key} of {path}', images.shape,
                      images.dtype)
        rows = _chunk_rows(images)
    if published.labels_key:
        with _hdf5_array(path, published.labels_key) as labels:
            _check_order(published, path, labels[:])

    def blocks():
        with _hdf5_array(path, key) as images:
            # One buffer for all blocks, because two may not fit into memory.
            block = np.empty((rows, *images.shape[1:]), np.uint8)
            for begin in range(0, len(images), rows):
                part = block[:len(images) - begin]
                images.read_direct(part, np.s_[begin:begin + rows])
                yield part

    return blocks


@contextlib.contextmanager
def _hdf5_array(path, key):
    """An array of an HDF5 file, open within the with statement."""
    import h5py
    with reading_errors(path), h5py.File(path, 'r') as file:
        if key not in file:
            raise DataError(f'{path} has no array {key!r}; it has '
                            f'{", ".join(file) or "nothing"}')
        yield file[key]


def _chunk_rows(images):
    """Rows of a block, such that no chunk is decompressed twice."""
    size = math.prod(images.shape[1:])
    rows = max(1, numpy_files.BLOCK // size)
    if images.chunks:
        chunk = images.chunks[0]
        rows = max(rows // chunk, 1) * chunk
    return max(1, min(rows, _MAX_BLOCK // size))


def _check_header(published, what, shape, dtype):
    """Raises DataError unless the array has the published images."""
    count, height, width, channels = published.shape
    tails = [(height, width, channels)] + [(height, width)] * (channels == 1)
    heads = [(count,), published.factor_sizes]
    if dtype == np.uint8 and tuple(shape) in [
            (*head, *tail) for head in heads for tail in tails]:
        return
    expected = [count, *tails[-1]]
    raise DataError(
        f'{what} must be {expected} uint8, which are the images of the '
        f'factors {", ".join(published.factor_names)} of sizes '
        f'{published.factor_sizes}; received {list(shape)} {dtype}. Is it '
        f'{published.file} of {published.page}?')


def _check_order(published, path, labels):
    """Raises DataError unless labels [N, >= k] follow the order of the grid.

    The last k columns are the factors. The first column of dSprites is the
    color, which has one value.
    """
    sizes = published.factor_sizes
    if labels.ndim == 2:
        labels = labels[:, -len(sizes):]
    grid = np.unravel_index(np.arange(published.shape[0]), sizes)
    ordered = labels.shape == (len(grid[0]), len(sizes))
    for j, values in enumerate(grid if ordered else ()):
        ranks = np.unique(labels[:, j], return_inverse=True)[1]
        ordered = ordered and np.array_equal(ranks, values)
    if not ordered:
        raise DataError(
            f'the factors that {path} gives of its images are not those of a '
            f'full grid of sizes {sizes}, the last factor fastest: the file '
            f'is not {published.file} of {published.page}')


# The reader of each ending of a file name, or of the format that a record
# names. A new format is a line here.
READERS = {'.npz': _numpy, '.npy': _numpy, '.pth': _torch, '.h5': _hdf5,
           '.zip': image_files.published_images,
           'cars3d': archives.cars3d, 'smallnorb': archives.smallnorb}
