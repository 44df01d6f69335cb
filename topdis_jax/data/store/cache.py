"""Arrays in the cache folder: written once, atomically, by one process."""

from collections.abc import Callable, Iterable
import contextlib
import errno
import math
import os
import shutil
from typing import TypeVar

import numpy as np

from topdis_jax import files

_T = TypeVar('_T')

_MARGIN = 2 ** 24  # bytes that stay free beside an array


def folder() -> str:
    """The cache folder: $XDG_CACHE_HOME/topdis_jax, or ~/.cache/topdis_jax."""
    base = os.environ.get('XDG_CACHE_HOME') or os.path.join(
        os.path.expanduser('~'), '.cache')
    return os.path.join(base, 'topdis_jax')


def free_space() -> int | None:
    """Bytes that are free where the folder is or would be, or None."""
    path = folder()
    while path != os.path.dirname(path) and not os.path.isdir(path):
        path = os.path.dirname(path)
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def in_words(size: int) -> str:
    """Bytes as '61 MiB' or '5.3 GiB'."""
    if size < 2 ** 30:
        return f'{size / 2 ** 20:.0f} MiB'
    return f'{size / 2 ** 30:.1f} GiB'


def open_array(path: str, shape: tuple[int, ...]) -> np.ndarray | None:
    """Memory-maps a uint8 array; None if absent, damaged or another shape."""
    try:
        array = np.load(path, mmap_mode='r')
    except (FileNotFoundError, NotADirectoryError, ValueError, EOFError):
        return None
    same = array.shape == tuple(shape) and array.dtype == np.uint8
    return array if same else None


def get_or_create(path: str, shape: tuple[int, ...], name: str,
                  find: Callable[[], _T | None],
                  blocks: Callable[[], Iterable[np.ndarray]],
                  finish: Callable[[], None] | None = None) -> _T:
    """Returns what `find` returns; if that is None, creates the array first.

    Processes that need the same array wait for the one that creates it. The
    array is written beside `path` and renamed at the end, so that it appears
    complete or not at all.

    Args:
      path: of the array, .npy.
      shape: of the array, uint8.
      name: of the data set, for messages.
      find: () -> the result, or None if the array must be created.
      blocks: () -> iterable of uint8 arrays; their bytes fill the array.
      finish: () -> None; called before the array appears.

    Raises:
      OSError: the folder cannot be written to or is full.
    """
    found = find()
    if found is not None:
        return found
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with _exclusive_file(path + '.tmp', name) as file:
            found = find()  # another process may have created it by now
            if found is None:
                _check_space(path, shape)
                _write(file, shape, blocks())
                if finish:
                    finish()
                os.replace(file.name, path)
                found = find()
        if found is None:
            raise AssertionError(f'{path} is not what was written')
        return found
    except OSError as error:
        raise OSError(
            error.errno,
            f'cannot write the data set {name} to {os.path.dirname(path)} '
            f'({error.strerror}); set XDG_CACHE_HOME to a folder that can be '
            f'written to, with {in_words(_size(shape))} free') from error


def _size(shape):
    return math.prod(shape) + _MARGIN


def _check_space(path, shape):
    free = shutil.disk_usage(os.path.dirname(path)).free
    if free < _size(shape):
        raise OSError(errno.ENOSPC, f'only {in_words(free)} are free')


def _write(file, shape, blocks):
    """Writes the blocks as an .npy array; they must fill its shape."""
    np.lib.format.write_array_header_1_0(
        file, {'descr': '|u1', 'fortran_order': False, 'shape': tuple(shape)})
    # Not through a memory map: its pages would fill the memory.
    size = 0
    for block in blocks:
        size += file.write(np.ascontiguousarray(block))
    if size != math.prod(shape):
        raise AssertionError(f'{size} bytes for an array of {shape}')
    file.flush()


@contextlib.contextmanager
def _exclusive_file(temporary, name):
    """An empty open file that this process has locked; removed at the end.

    The file of a killed process is taken over: its lock ended with it.
    """
    with contextlib.ExitStack() as stack:
        while True:
            file = stack.enter_context(open(temporary, 'ab'))
            files.lock(file, f'making {name}')
            # The previous owner of the lock may have renamed the file.
            if _is_at(file, temporary):
                break
        stack.callback(_remove, file)
        file.truncate(0)
        yield file


def _is_at(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(file):
    if _is_at(file, file.name):
        os.remove(file.name)
