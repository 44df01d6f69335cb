"""The published files, each as a stream of images in the grid's order."""

import contextlib
import functools
import math
from typing import Callable, NamedTuple

import numpy as np

from topdis_jax.data import arrays, pictures
from topdis_jax.data.errors import DataError, damaged

_MOST = 2 ** 29  # bytes of a block of HDF5, whose own chunks may be large


class Stream(NamedTuple):
    """Images to be read once, from the first to the last.

    Attributes:
      shape: (N, h, w, c).
      blocks: () -> iterator of uint8 arrays whose bytes are the images'; one
        may be overwritten when the next is asked for.
      factor_names, factor_sizes: as in FactorDataset.
    """
    shape: tuple
    blocks: Callable
    factor_names: tuple = ()
    factor_sizes: tuple = ()


def read(name, published, path):
    """The stream of a published file.

    Args:
      name: a key of PUBLISHED.
      published: Published; its grid is the one that the file must have.
      path: of the file.

    Raises:
      DataError: the file is damaged or not in the published format. The
        stream raises it too.
    """
    blocks = _READERS[name](published, path)
    return Stream(published.shape, blocks, published.factor_names,
                  published.factor_sizes)


def own(path):
    """The stream of a user's own .npz, .npy, or folder or .zip of pictures.

    The .npz has `images` [n, h, w] or [n, h, w, c] uint8, c 1 or 3, and, if
    the images are those of a full grid of factors, the last one fastest,
    `factor_sizes` [k] integers and perhaps `factor_names` [k] strings. The
    .npy has the images alone.

    Raises:
      DataError: as in `read`.
    """
    if not path.endswith(('.npz', '.npy')):
        shape, blocks = pictures.own(path)
        return Stream(shape, blocks)
    key = 'images' if path.endswith('.npz') else None
    shape, dtype = arrays.header(path, key)
    if (dtype != np.uint8 or len(shape) not in (3, 4) or 0 in shape
            or shape[3:] not in ((), (1,), (3,))):
        raise DataError(
            f'images of {path} must be [n, h, w] or [n, h, w, c] uint8, c 1 '
            f'or 3; received {list(shape)} {dtype}')
    names, sizes = (), ()
    if key:
        names, sizes = _own_factors(path, arrays.keys(path), shape[0])
    shape = shape if len(shape) == 4 else (*shape, 1)
    return Stream(shape, functools.partial(arrays.blocks, path, key),
                  names, sizes)


def _own_factors(path, keys, count):
    if 'factor_sizes' not in keys:
        if 'factor_names' in keys:
            raise DataError(f'{path} has factor_names, but no factor_sizes: '
                            'the number of values of each factor')
        return (), ()
    sizes = arrays.small(path, 'factor_sizes')
    if sizes.ndim != 1 or sizes.dtype.kind not in 'iu' or np.any(sizes < 1):
        raise DataError(f'factor_sizes of {path} must be [k] integers from 1, '
                        f'received {sizes.tolist()} ({sizes.dtype})')
    sizes = tuple(sizes.tolist())
    if math.prod(sizes) != count:
        raise DataError(
            f'{path} has {count} images, but factor_sizes {sizes}, which make '
            f'{math.prod(sizes)}; the images must be those of a full grid, '
            'the last factor fastest')
    if 'factor_names' not in keys:
        return tuple(f'factor_{i}' for i in range(len(sizes))), sizes
    names = arrays.small(path, 'factor_names')
    if names.shape != (len(sizes),) or names.dtype.kind != 'U':
        raise DataError(f'factor_names of {path} must be {len(sizes)} strings,'
                        f' received {list(names.shape)} {names.dtype}')
    return tuple(names.tolist()), sizes


def _dsprites(published, path):
    _check_header(published, f'imgs of {path}', *arrays.header(path, 'imgs'))
    if 'latents_classes' in arrays.keys(path):
        # Their first column is the colour, of which there is one.
        _check_order(published, path,
                     arrays.small(path, 'latents_classes')[:, 1:])

    def blocks():
        for block in arrays.blocks(path, 'imgs'):
            if block.max() > 1:
                raise DataError(f'imgs of {path} must be 0 and 1, received '
                                f'{block.max()}')
            yield block * np.uint8(255)

    return blocks


def _mpi3d(published, path):
    _check_header(published, f'images of {path}',
                  *arrays.header(path, 'images'))
    return functools.partial(arrays.blocks, path, 'images')


def _faces3d(published, path):
    if path.endswith('.pth'):
        array = _torch_array(path)
        _check_header(published, path, array.shape, array.dtype)
        return lambda: [array]
    key = 'images' if path.endswith('.npz') else None
    _check_header(published, path, *arrays.header(path, key))
    return functools.partial(arrays.blocks, path, key)


def _torch_array(path):
    try:
        import torch
    except ImportError as error:
        raise DataError(
            f'{path} is a file of PyTorch, which is not installed; install '
            'torch, or, where it is, save the file as basel_face_renders.npy: '
            'numpy.save(NEW, torch.load(OLD, weights_only=True).numpy())'
        ) from error
    try:
        # Tensors only: no other object of the file is made.
        return torch.load(path, map_location='cpu', weights_only=True).numpy()
    except Exception as error:  # torch has no common class for these
        raise damaged(path, error) from error


def _shapes3d(published, path):
    with _hdf5(path, 'images') as images:
        _check_header(published, f'images of {path}', images.shape,
                      images.dtype)
        rows = _chunk_rows(images)
    with _hdf5(path, 'labels') as labels:
        _check_order(published, path, labels[:])

    def blocks():
        # One block for all, because there is no room for two.
        block = np.empty((rows, *published.image_shape), np.uint8)
        with _hdf5(path, 'images') as images:
            for begin in range(0, len(images), rows):
                part = block[:len(images) - begin]
                images.read_direct(part, np.s_[begin:begin + rows])
                yield part

    return blocks


@contextlib.contextmanager
def _hdf5(path, key):
    """An array of an HDF5 file, open within the with statement."""
    import h5py
    try:
        with h5py.File(path, 'r') as file:
            if key not in file:
                raise DataError(f'{path} has no array {key!r}; it has '
                                f'{", ".join(file) or "nothing"}')
            yield file[key]
    except OSError as error:
        raise damaged(path, error) from error


def _chunk_rows(images):
    """How many images to read at once, for no chunk to be unpacked twice."""
    size = math.prod(images.shape[1:])
    rows = max(1, arrays.BLOCK // size)
    if images.chunks:
        chunk = images.chunks[0]
        rows = max(rows // chunk, 1) * chunk
    return max(1, min(rows, _MOST // size))


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
    """Raises DataError unless labels [N, k] run through the grid in order."""
    sizes = published.factor_sizes
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


_READERS = {
    'dsprites': _dsprites,
    'shapes3d': _shapes3d,
    'mpi3d_toy': _mpi3d,
    'mpi3d_realistic': _mpi3d,
    'mpi3d_real': _mpi3d,
    'mpi3d_complex': _mpi3d,
    'faces3d': _faces3d,
    'celeba': pictures.celeba,
}
