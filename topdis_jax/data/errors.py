"""DataError: a data set cannot be loaded; the message says what to do."""

from collections.abc import Iterator
import contextlib
import os
import zipfile
import zlib

# What zipfile, NumPy and h5py raise for files that are damaged or of another
# format; RuntimeError: encrypted, NotImplementedError: unknown compression.
UNREADABLE = (OSError, EOFError, ValueError, zlib.error, RuntimeError,
              zipfile.BadZipFile, NotImplementedError)


class DataError(ValueError):
    """A data set cannot be loaded; the message says what to do."""


def option(assignment: str) -> str:
    """How an option of data.load is given, in Python and on the command line.

    Args:
      assignment: as in 'root=FOLDER'.
    """
    return f'{assignment} (in a run: --config.data.{assignment})'


def damaged(path: str | os.PathLike, error: object) -> DataError:
    """The DataError for a file that its library cannot read."""
    return DataError(
        f'{path} cannot be read ({error}); it is damaged, cut short or not '
        'the file that its name says: get it again, and compare its size '
        'with the one of its page')


@contextlib.contextmanager
def reading_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turns errors while a file is read into DataError."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f'there is no file {path}') from error
    except UNREADABLE as error:
        raise damaged(path, error) from error
