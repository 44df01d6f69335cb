"""A copy of a run's log for TensorBoard: numbers and pictures."""

from collections.abc import Mapping
import os
from typing import Any

from topdis_jax.training.keys import SettingsError

_PICTURES = ('reconstructions', 'traversals')


class Writer:
    """Writes the rows of the log, and the pictures, into FOLDER/tensorboard.

    metrics.jsonl stays the truth: of a run that goes on from a checkpoint,
    TensorBoard forgets the steps that come again.
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
        self._folder, self._writer = folder, None

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Writes a row of the log: {'step', name: number}, or with 'scores'."""
        step, writer = row['step'], self._writer_from(row['step'])
        for name, value in row.items():
            if name == 'scores':
                for score, number in value.items():
                    writer.add_scalar(f'scores/{score}', number, step)
            elif name != 'step':
                writer.add_scalar(f'train/{name}', value, step)
        writer.flush()

    def pictures(self, step: int) -> None:
        """Writes the run's pictures, as they are in its folder now."""
        import numpy as np
        from PIL import Image
        writer = self._writer_from(step)
        for name in _PICTURES:
            path = os.path.join(self._folder, f'{name}.png')
            if os.path.exists(path):
                with Image.open(path) as image:
                    writer.add_image(name, np.asarray(image.convert('RGB')),
                                     step, dataformats='HWC')
        writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _writer_from(self, step):
        if self._writer is None:
            self._writer = self._make(
                os.path.join(self._folder, 'tensorboard'), purge_step=step)
        return self._writer
