"""Arrays of .npy and .npz files, as a stream, and never unpickled."""

import contextlib
import math
import zipfile
import zlib

import numpy as np

from topdis_jax.data.errors import DataError, damaged

BLOCK = 2 ** 25  # bytes that are read at once

# What zipfile and NumPy raise for files that are not what they should be;
# RuntimeError: encrypted, NotImplementedError: an unknown compression.
_UNREADABLE = (OSError, EOFError, ValueError, zlib.error, RuntimeError,
               zipfile.BadZipFile, NotImplementedError)


def keys(path):
    """Names of the arrays of an .npz.

    Raises:
      DataError: a file that is not a whole .npz.
    """
    with _told(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix('.npy') for name in archive.namelist()]


def header(path, key=None):
    """Shape and dtype of an array; errors: `blocks`.

    Args:
      path: of an .npz, or of a .npy if `key` is None.
      key: the array's name in the .npz.
    """
    with _opened(path, key) as (_, shape, dtype):
        return shape, dtype


def small(path, key):
    """A whole array of an .npz; errors: `blocks`."""
    with _opened(path, key) as (file, shape, dtype), _told(path):
        return np.frombuffer(file.read(), dtype).reshape(shape)


def blocks(path, key=None):
    """The array, a part [m, ...] of its first axis at a time.

    Yields:
      Arrays that together are the array, in its order.

    Raises:
      DataError: the file is damaged, or has no such array, or the array holds
        Python objects or is stored column by column.
    """
    with _opened(path, key) as (file, shape, dtype):
        size = math.prod(shape[1:]) * dtype.itemsize
        step = max(1, BLOCK // max(size, 1))
        for begin in range(0, shape[0], step):
            rows = min(step, shape[0] - begin)
            with _told(path):
                data = file.read(rows * size)
                if len(data) != rows * size:
                    raise EOFError('it ends before its last image')
            yield np.frombuffer(data, dtype).reshape(rows, *shape[1:])
        with _told(path):
            file.read(1)  # the end, where the archive's checksum is looked at


@contextlib.contextmanager
def _opened(path, key):
    """(file after the header, shape, dtype)."""
    with contextlib.ExitStack() as stack:
        with _told(path):
            file = stack.enter_context(
                open(path, 'rb') if key is None else _member(path, key))
            shape, columns, dtype = _read_header(file)
        what = path if key is None else f'the array {key!r} of {path}'
        if dtype.hasobject:
            raise DataError(
                f'{what} holds Python objects, which are never unpickled '
                'here, because that can run any program; save it as an array '
                'of numbers or of strings (dtype=str)')
        if columns:
            raise DataError(
                f'{what} is stored column by column, which cannot be read as '
                'a stream; save it after numpy.ascontiguousarray')
        yield file, shape, dtype


@contextlib.contextmanager
def _member(path, key):
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if key + '.npy' not in names:
            found = ', '.join(name.removesuffix('.npy') for name in names)
            raise DataError(f'{path} has no array {key!r}; it has '
                            f'{found or "nothing"}')
        with archive.open(key + '.npy') as file:
            yield file


def _read_header(file):
    """(shape, column by column or not, dtype)."""
    version = np.lib.format.read_magic(file)
    read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
            else np.lib.format.read_array_header_2_0)
    return read(file)


@contextlib.contextmanager
def _told(path):
    """Errors of reading, as DataError."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f'there is no file {path}') from error
    except _UNREADABLE as error:
        raise damaged(path, error) from error
