"""The user's own images: an .npz, an .npy, or a folder or .zip of images."""

import functools
import math

import numpy as np

from topdis_jax.data.errors import DataError
from topdis_jax.data.published import image_files, numpy_files
from topdis_jax.data.store.stream import Stream


def read(path: str) -> Stream:
    """Reads an .npz or .npy of images, or a folder or .zip of image files.

    The .npz has `images` [n, h, w] or [n, h, w, c] uint8 with c 1 or 3. If the
    images form a full grid of factors, the last one varying fastest, it also
    has `factor_sizes` [k] integers and optionally `factor_names` [k] strings.
    An .npy has the images alone.

    Raises:
      DataError: the file is damaged or has another format; the stream's
        blocks raise it too.
    """
    if not path.endswith(('.npz', '.npy')):
        shape, blocks = image_files.user_images(path)
        return Stream(shape, blocks)
    key = 'images' if path.endswith('.npz') else None
    shape, dtype = numpy_files.header(path, key)
    if (dtype != np.uint8 or len(shape) not in (3, 4) or 0 in shape
            or shape[3:] not in ((), (1,), (3,))):
        raise DataError(
            f'images of {path} must be [n, h, w] or [n, h, w, c] uint8, c 1 '
            f'or 3; received {list(shape)} {dtype}')
    names, sizes = (), ()
    if key:
        names, sizes = _factors(path, numpy_files.keys(path), shape[0])
    shape = shape if len(shape) == 4 else (*shape, 1)
    return Stream(shape, functools.partial(numpy_files.blocks, path, key),
                  names, sizes)


def _factors(path, keys, count):
    if 'factor_sizes' not in keys:
        if 'factor_names' in keys:
            raise DataError(f'{path} has factor_names, but no factor_sizes: '
                            'the number of values of each factor')
        return (), ()
    sizes = numpy_files.small(path, 'factor_sizes')
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
    names = numpy_files.small(path, 'factor_names')
    if names.shape != (len(sizes),) or names.dtype.kind != 'U':
        raise DataError(f'factor_names of {path} must be {len(sizes)} strings,'
                        f' received {list(names.shape)} {names.dtype}')
    return tuple(names.tolist()), sizes
