"""A copy of a run's log for TensorBoard: numbers and pictures."""

from collections.abc import Iterator, Mapping
import os
import struct
from typing import Any

from topdis_jax.training import workfolder
from topdis_jax.training.keys import SettingsError

_PICTURES = ('reconstructions', 'traversals')


class Writer:
    """Writes the rows of the log, and the pictures, into FOLDER/tensorboard.

    metrics.jsonl stays the truth. A run that goes on has TensorBoard forget
    the steps that come again, and gives it the rows that it does not have.
    """

    def __init__(self, folder: str) -> None:
        """Raises SettingsError if tensorboardX is not installed."""
        try:
            import tensorboardX
        except ImportError as error:
            raise SettingsError(
                'config.train.tensorboard=True needs tensorboardX, which is '
                "not installed: pip install -e '.[tensorboard]'") from error
        self._make = tensorboardX.SummaryWriter
        self._folder = folder
        self._writer: Any = None
        self._seen: set[tuple[str, int]] = set()

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Writes a row of the log: {'step', name: number}, or with 'scores'."""
        self._open(row)
        self._add(row)
        self._writer.flush()

    def pictures(self, step: int) -> None:
        """Writes the run's pictures, as they are in its folder now."""
        import numpy as np
        from PIL import Image
        self._open(None)
        for name in _PICTURES:
            path = os.path.join(self._folder, f'{name}.png')
            if os.path.exists(path) and self._is_new(name, step):
                with Image.open(path) as image:
                    self._writer.add_image(
                        name, np.asarray(image.convert('RGB')), step,
                        dataformats='HWC')
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _open(self, row):
        """Begins a file of events; `row` may be in the log already."""
        if self._writer is not None:
            return
        rows = workfolder.read_rows(
            os.path.join(self._folder, 'metrics.jsonl'))
        if rows and rows[-1] == row:
            rows.pop()
        # What the log had when the run went on.
        last = max((old['step'] for old in rows), default=-1)
        folder = os.path.join(self._folder, 'tensorboard')
        self._seen = {(tag, step) for tag, step in _events(folder)
                      if step <= last}
        self._writer = self._make(folder, purge_step=last + 1)
        for old in rows:
            self._add(old)

    def _add(self, row):
        step = row['step']
        numbers = {f'train/{name}': value for name, value in row.items()
                   if name not in ('step', 'scores')}
        numbers |= {f'scores/{name}': value
                    for name, value in row.get('scores', {}).items()}
        for tag, value in numbers.items():
            if self._is_new(tag, step):
                self._writer.add_scalar(tag, value, step)

    def _is_new(self, tag, step):
        """Whether TensorBoard does not have it; from now on it does."""
        new = (tag, step) not in self._seen
        self._seen.add((tag, step))
        return new


def _events(folder: str) -> Iterator[tuple[str, int]]:
    """(tag, step) of what the files of events in a folder show.

    A file is records of a length, its checksum, an event and its checksum. A
    record that is cut short or damaged ends it.
    """
    from google.protobuf import message  # comes with tensorboardX
    from tensorboardX.proto import event_pb2
    names = os.listdir(folder) if os.path.isdir(folder) else []
    for name in sorted(name for name in names if 'tfevents' in name):
        with open(os.path.join(folder, name), 'rb') as file:
            while len(head := file.read(12)) == 12:
                size, = struct.unpack_from('<Q', head)
                content = file.read(size)
                if len(content) < size or len(file.read(4)) < 4:
                    break
                try:
                    event = event_pb2.Event.FromString(content)
                except message.DecodeError:
                    break
                for value in event.summary.value:
                    yield value.tag, event.step
