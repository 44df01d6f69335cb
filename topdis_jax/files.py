"""Atomic writes and locks that wait."""

from collections.abc import Iterator
import contextlib
import fcntl
import json
import os
import sys
from typing import Any, IO


@contextlib.contextmanager
def replacing(path: str | os.PathLike, mode: str = 'w') -> Iterator[IO]:
    """Opens a file that replaces `path` when it is closed.

    A reader sees the old file or the new one. An exception leaves the old one
    and nothing else.
    """
    temporary = f'{os.fspath(path)}.{os.getpid()}.tmp'
    try:
        with open(temporary, mode) as file:
            yield file
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            os.remove(temporary)


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes indented JSON with a final line break."""
    with replacing(path) as file:
        json.dump(value, file, indent=2)
        file.write('\n')


def lock(file: IO, work: str) -> None:
    """Locks an open file; waits, and says so, while another process has it.

    The lock ends with its process, also in another container or on another
    machine. A file system without locks must not keep anyone from the data:
    there it warns.

    Args:
      file: the open file.
      work: what the lock is for, for messages: "downloading dsprites".
    """
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f'Another process is {work}: waiting', file=sys.stderr,
                  flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        print(f'Warning: {file.name} cannot be locked ({error.strerror}); '
              f'let no second process be {work} there.', file=sys.stderr)
