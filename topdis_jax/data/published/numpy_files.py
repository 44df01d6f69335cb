"""Streams the arrays of .npy and .npz files, without unpickling."""

from collections.abc import Iterator
import contextlib
import math
import os
import zipfile

import numpy as np

from topdis_jax.data.errors import DataError, reading_errors

_Path = str | os.PathLike

BLOCK = 2 ** 25  # bytes per block


def keys(path: _Path) -> list[str]:
    """Names of the arrays in an .npz.

    Raises:
      DataError: the file is damaged or not an .npz.
    """
    with reading_errors(path), zipfile.ZipFile(path) as archive:
        return [name.removesuffix('.npy') for name in archive.namelist()]


def header(path: _Path,
           key: str | None = None) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of an array; errors as in `blocks`.

    Args:
      path: of an .npz, or of an .npy if `key` is None.
      key: name of the array in the .npz.
    """
    with _opened(path, key) as (_, shape, dtype):
        return shape, dtype


def small(path: _Path, key: str) -> np.ndarray:
    """Reads a whole array of an .npz; errors as in `blocks`."""
    with _opened(path, key) as (file, shape, dtype), reading_errors(path):
        return np.frombuffer(file.read(), dtype).reshape(shape)


def blocks(path: _Path, key: str | None = None) -> Iterator[np.ndarray]:
    """Reads an array in blocks [m, ...] along its first axis.

    Args:
      path, key: as in `header`.

    Yields:
      Consecutive parts of the array.

    Raises:
      DataError: the file is damaged or has no such array, or the array has
        Python objects or Fortran order.
    """
    with _opened(path, key) as (file, shape, dtype):
        size = math.prod(shape[1:]) * dtype.itemsize
        step = max(1, BLOCK // max(size, 1))
        for begin in range(0, shape[0], step):
            rows = min(step, shape[0] - begin)
            with reading_errors(path):
                data = file.read(rows * size)
                if len(data) != rows * size:
                    raise EOFError('it ends before its last image')
            yield np.frombuffer(data, dtype).reshape(rows, *shape[1:])
        with reading_errors(path):
            file.read(1)  # the end: zipfile compares the checksum there


@contextlib.contextmanager
def _opened(path, key):
    """(file, after the header; shape; dtype)."""
    with contextlib.ExitStack() as stack:
        with reading_errors(path):
            file = stack.enter_context(
                open(path, 'rb') if key is None else _member(path, key))
            shape, fortran_order, dtype = _read_header(file)
        what = path if key is None else f'the array {key!r} of {path}'
        if dtype.hasobject:
            raise DataError(
                f'{what} holds Python objects, which are never unpickled '
                'here, because that can run any program; save it as an array '
                'of numbers or of strings (dtype=str)')
        if fortran_order:
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
    """(shape, fortran_order, dtype)."""
    version = np.lib.format.read_magic(file)
    read = (np.lib.format.read_array_header_1_0 if version == (1, 0)
            else np.lib.format.read_array_header_2_0)
    return read(file)
