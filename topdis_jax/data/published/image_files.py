"""Folders and archives of image files, cropped to squares of one size."""

from collections.abc import Callable, Iterator
import concurrent.futures
import contextlib
import functools
import io
import os
from typing import TYPE_CHECKING
import zipfile

import numpy as np

from topdis_jax.data.errors import DataError, damaged, reading_errors
from topdis_jax.data.errors import UNREADABLE
from topdis_jax.data.published.table import PublishedDataset

if TYPE_CHECKING:
    import PIL.Image

_Blocks = Callable[[], Iterator[np.ndarray]]

_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
_PER_BLOCK = 512


def published_images(published: PublishedDataset, path: str) -> _Blocks:
    """Reads a published archive of images, in the order of their names.

    Args:
      published: the data set; see `crop_published`.
      path: of the folder or .zip.

    Returns:
      () -> iterator of images [m, h, w, c] uint8. It raises DataError for a
      file that is not a valid image.

    Raises:
      DataError: the number of images is not the published one.
    """
    names = _names(path, (published.suffix,))
    if len(names) != published.shape[0]:
        raise DataError(
            f'{path} has {len(names)} images ({published.suffix}), expected '
            f'{published.shape[0]}; '
            'unpack the whole archive, or read a part of it with '
            "data.load('own', root=FOLDER) (in a run: "
            '--config.data.name=own --config.data.root=FOLDER)')
    return functools.partial(
        _blocks, path, names, functools.partial(crop_published, published))


def user_images(path: str) -> tuple[tuple[int, ...], _Blocks]:
    """Reads the image files in a user's folder or .zip.

    The largest central square of each image is resized to 64 x 64, or to 32 x
    32 if the first image is smaller than 64. All are gray if the first one is.

    Returns:
      The shape (N, h, w, c), and () -> iterator of images [m, h, w, c] uint8.

    Raises:
      DataError: there are no image files.
    """
    if os.path.isfile(path) and not zipfile.is_zipfile(path):
        _refuse_file(path)
    names = _names(path, _SUFFIXES)
    if not names:
        raise DataError(f'{path} has no pictures ({", ".join(_SUFFIXES)})')
    with _opened(path) as read:
        first = _decode(path, names[0], read)
    pixels = 64 if min(first.size) >= 64 else 32
    gray = first.mode in ('1', 'L', 'LA') or first.mode.startswith('I')
    mode = 'L' if gray else 'RGB'
    shape = (len(names), pixels, pixels, 1 if mode == 'L' else 3)
    return shape, functools.partial(
        _blocks, path, names, functools.partial(crop, pixels=pixels,
                                                mode=mode))


def _refuse_file(path):
    """Raises DataError for a file that is not an archive of image files."""
    if path.lower().endswith('.zip'):
        raise damaged(path, 'File is not a zip file')
    kind = ('a single picture: give the folder that it is in'
            if path.lower().endswith(_SUFFIXES) else
            'none of what can be read here: an .npz with images, a .npy of '
            'images, a folder or a .zip of pictures')
    raise DataError(f'{path} is {kind}')


def crop_published(published: PublishedDataset,
                   image: 'PIL.Image.Image') -> np.ndarray:
    """Crops a published image to its central square, [h, w, c] uint8.

    CelebA: 148 x 148 pixels, resized to 64 x 64 (Hou et al., Deep Feature
    Consistent Variational Autoencoder, WACV 2017).

    Args:
      published: says the size of the image, the square and the result.
      image: one of its images.

    Raises:
      ValueError: the image does not have the published size.
    """
    if published.original_size and image.size != published.original_size:
        width, height = published.original_size
        raise ValueError(f'must be {width} x {height}, the published size; '
                         f'received {image.size[0]} x {image.size[1]}')
    height, _, channels = published.image_shape
    return crop(image, published.crop, height, 'L' if channels == 1 else 'RGB')


def crop(image: 'PIL.Image.Image', side: int = 0, pixels: int = 64,
         mode: str = 'RGB') -> np.ndarray:
    """Crops an image to its central square, [pixels, pixels, c] uint8.

    Args:
      image: of any mode.
      side: of the square; 0: the largest.
      pixels: side of the result, to which the square is resized.
      mode: of the result, 'RGB' or 'L'.
    """
    from PIL import Image
    width, height = image.size
    side = side or min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    # Crop first: resize(box=...) would blend in pixels around the box.
    image = _eight_bits(image).convert(mode)
    image = image.crop((left, top, left + side, top + side))
    if side != pixels:
        image = image.resize((pixels, pixels), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(pixels, pixels, -1)


def _eight_bits(image):
    """Converts a gray image of 16 bits to 8 bits; returns others unchanged.

    Pillow's own conversion clips all larger values to 255.
    """
    if not image.mode.startswith('I'):
        return image
    from PIL import Image
    values = np.clip(np.asarray(image) // 256, 0, 255)
    return Image.fromarray(values.astype(np.uint8))


def _names(path, suffixes):
    """Sorted names of the image files in a folder or archive."""
    if os.path.isdir(path):
        names = [os.path.relpath(os.path.join(folder, name), path)
                 for folder, _, files in os.walk(path) for name in files]
    else:
        with reading_errors(path), zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    # Some systems add hidden files with the same endings.
    return sorted(name for name in names
                  if name.lower().endswith(suffixes)
                  and not os.path.basename(name).startswith('.')
                  and not name.startswith('__MACOSX'))


def _blocks(path, names, crop_one):
    """Yields [m, pixels, pixels, c] uint8."""
    def read_image(name):
        image = _decode(path, name, read)
        try:
            return crop_one(image)
        except (*UNREADABLE, SyntaxError) as error:
            raise _bad(path, name, error) from error

    # Pillow decodes without holding the global interpreter lock.
    workers = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    with _opened(path) as read, workers:
        for begin in range(0, len(names), _PER_BLOCK):
            yield np.stack(list(workers.map(
                read_image, names[begin:begin + _PER_BLOCK])))


def _decode(path, name, read):
    """Opens an image; its pixels may be decoded later."""
    from PIL import Image, ImageOps, UnidentifiedImageError
    try:
        return ImageOps.exif_transpose(Image.open(io.BytesIO(read(name))))
    except UnidentifiedImageError as error:
        # Its own text is the address of the bytes in memory.
        raise _bad(path, name, 'it is damaged or of an unknown format'
                   ) from error
    except (*UNREADABLE, SyntaxError, Image.DecompressionBombError) as error:
        raise _bad(path, name, error) from error


def _bad(path, name, error):
    return DataError(f'{os.path.join(path, name)} is not a picture that can '
                     f'be used: {error}')


@contextlib.contextmanager
def _opened(path):
    """A function name -> bytes of a file in a folder or archive."""
    if os.path.isdir(path):
        def read(name):
            with open(os.path.join(path, name), 'rb') as file:
                return file.read()
        yield read
    else:
        with zipfile.ZipFile(path) as archive:
            yield archive.read
