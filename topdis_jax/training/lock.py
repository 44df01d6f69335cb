"""A work folder serves one run at a time."""

from collections.abc import Iterator
import contextlib
import errno
import fcntl
import os
from typing import Any
import socket
import sys

from topdis_jax.training.workfolder import WorkFolderError

NAME = '.lock'
# A file system that knows no locks must not keep anyone from training.
_UNKNOWN = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def locked(folder: str, name: str = NAME) -> Iterator[Any]:
    """Holds the folder, which is created if need be, for this process.

    The lock goes with the process, and with those that inherited its open
    file, which is what is yielded; its file stays.

    Raises:
      WorkFolderError: another process holds it, or it cannot be written to.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        file = open(os.path.join(folder, name), 'ab+', buffering=0)
    except OSError as error:
        raise WorkFolderError(
            f'cannot write to the work folder {folder} ({error.strerror}); '
            'give another --workdir') from error
    with file:
        _lock(file, folder)
        yield file


def _lock(file, folder):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().decode(errors='replace').strip()
        raise WorkFolderError(
            f'the work folder {folder} is in use by another run '
            f'({holder}, or one that it started); wait for it, end it, or '
            'give another --workdir'
        ) from error
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise
        print(f'Warning: {folder} cannot be locked ({error.strerror}); start '
              'no second run there.', file=sys.stderr)
    with contextlib.suppress(OSError):  # a full disk: it is locked anyway
        file.truncate(0)
        name = f'process {os.getpid()} on {socket.gethostname()}\n'
        file.write(name.encode())
