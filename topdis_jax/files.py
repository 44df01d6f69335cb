"""Atomic writes: files appear whole or not at all."""

from collections.abc import Iterator
import contextlib
import json
import os
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
