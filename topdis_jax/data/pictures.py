"""Folders and archives of pictures, cropped to squares of one size."""

import concurrent.futures
import contextlib
import functools
import io
import os
import zipfile

import numpy as np

from topdis_jax.data.errors import DataError, damaged

_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
_AT_ONCE = 512
_CELEBA_SIZE = (178, 218)
_CELEBA_CROP = 148


def celeba(published, path):
    """Blocks of CelebA's aligned JPEGs, in the order of their names.

    The square of 148 pixels in the middle, resized to 64 x 64 (Hou et al.,
    Deep Feature Consistent Variational Autoencoder, WACV 2017).

    Args:
      published: Published.
      path: of the folder or .zip.

    Raises:
      DataError: not as many as published, or no JPEG.
    """
    names = _names(path, ('.jpg',))
    if len(names) != published.images:
        raise DataError(
            f'{path} has {len(names)} JPEGs, expected {published.images}; '
            'unpack the whole archive, or read a part of it with '
            '--config.data.name=own --config.data.root=FOLDER')
    return functools.partial(_blocks, path, names, crop_celeba)


def own(path):
    """Shape (N, h, w, c) and blocks of a user's folder or .zip of pictures.

    The largest square in the middle of each, resized to 64 x 64, or to 32 x
    32 if the first one's is smaller than 64; gray if the first one is.

    Raises:
      DataError: no pictures there.
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
    """Raises DataError for a file that is no archive of pictures."""
    if path.lower().endswith('.zip'):
        raise damaged(path, 'File is not a zip file')
    kind = ('a single picture: give the folder that it is in'
            if path.lower().endswith(_SUFFIXES) else
            'none of what can be read here: an .npz with images, a .npy of '
            'images, a folder or a .zip of pictures')
    raise DataError(f'{path} is {kind}')


def crop_celeba(image):
    """An aligned picture of CelebA as [64, 64, 3] uint8; see `celeba`.

    Raises:
      ValueError: it has not the size of the aligned ones.
    """
    if image.size != _CELEBA_SIZE:
        raise ValueError('must be 178 x 218, as the aligned pictures are; '
                         f'received {image.size[0]} x {image.size[1]}')
    return crop(image, side=_CELEBA_CROP)


def crop(image, side=None, pixels=64, mode='RGB'):
    """The square in the middle of a picture as [pixels, pixels, c] uint8.

    Args:
      image: PIL.Image.
      side: of the square; None: the largest.
      pixels: that it is resized to.
      mode: 'RGB' or 'L'.
    """
    from PIL import Image
    width, height = image.size
    side = side or min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    # Cropped first: resize's own `box` lets what is around it shine in.
    image = _eight_bits(image).convert(mode)
    image = image.crop((left, top, left + side, top + side))
    if side != pixels:
        image = image.resize((pixels, pixels), Image.Resampling.BICUBIC)
    return np.asarray(image).reshape(pixels, pixels, -1)


def _eight_bits(image):
    """A gray picture of 16 bits as one of 8; any other as it is.

    Pillow's own conversion makes 255 of all that is larger.
    """
    if not image.mode.startswith('I'):
        return image
    from PIL import Image
    values = np.clip(np.asarray(image) // 256, 0, 255)
    return Image.fromarray(values.astype(np.uint8))


def _names(path, suffixes):
    """Names of the pictures, sorted, within a folder or archive."""
    if os.path.isdir(path):
        names = [os.path.relpath(os.path.join(folder, name), path)
                 for folder, _, files in os.walk(path) for name in files]
    else:
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (OSError, zipfile.BadZipFile) as error:
            raise damaged(path, error) from error
    # Some systems put files beside the real ones that have their endings.
    return sorted(name for name in names
                  if name.lower().endswith(suffixes)
                  and not os.path.basename(name).startswith('.')
                  and not name.startswith('__MACOSX'))


def _blocks(path, names, crop_one):
    """Yields [m, pixels, pixels, c] uint8."""
    def picture(name):
        image = _decode(path, name, read)
        try:
            return crop_one(image)
        except (OSError, ValueError, SyntaxError) as error:
            raise _bad(path, name, error) from error

    # Pillow decodes without Python's lock.
    workers = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    with _opened(path) as read, workers:
        for begin in range(0, len(names), _AT_ONCE):
            yield np.stack(list(workers.map(
                picture, names[begin:begin + _AT_ONCE])))


def _decode(path, name, read):
    """A picture as PIL.Image; its pixels may be read later."""
    from PIL import Image, ImageOps, UnidentifiedImageError
    try:
        return ImageOps.exif_transpose(Image.open(io.BytesIO(read(name))))
    except UnidentifiedImageError as error:
        # Its own text is the address of the bytes in memory.
        raise _bad(path, name, 'it is damaged or of an unknown format'
                   ) from error
    except (OSError, ValueError, SyntaxError, zipfile.BadZipFile,
            Image.DecompressionBombError) as error:
        raise _bad(path, name, error) from error


def _bad(path, name, error):
    return DataError(f'{os.path.join(path, name)} is not a picture that can '
                     f'be used: {error}')


@contextlib.contextmanager
def _opened(path):
    """Name -> bytes of a file in a folder or archive."""
    if os.path.isdir(path):
        def read(name):
            with open(os.path.join(path, name), 'rb') as file:
                return file.read()
        yield read
    else:
        with zipfile.ZipFile(path) as archive:
            yield archive.read
