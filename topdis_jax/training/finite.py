"""What is no longer finite ends a run."""

import collections
from collections.abc import Callable, Mapping
import math
from typing import Any

import jax
import numpy as np

from topdis_jax.topology.engines.primitive import resolve_engine
from topdis_jax.training import parallel


class TrainingDiverged(RuntimeError):
    """A loss, a gradient or a parameter is no longer finite."""


class Watch:
    """Looks at the numbers of every step, so that the first bad one is named.

    Attributes:
      late: how many steps may be under way while the one before them is looked
        at, so that an accelerator need not wait for the host.
    """

    def __init__(self, config: Any, saved: Callable[[], int | None],
                 late: int = 0) -> None:
        """`saved` returns the step of the last checkpoint, or None."""
        self.late = late
        self._config, self._saved = config, saved
        self._unseen: collections.deque = collections.deque()

    def note(self, step: int, metrics: Mapping[str, jax.Array]) -> None:
        """Takes a step's numbers; raises TrainingDiverged, see `look`."""
        self._unseen.append((step, metrics))
        self.look(all_but=self.late)

    def look(self, all_but: int = 0) -> None:
        """Looks at all steps that were noted, but for the last few.

        At two numbers that come from all terms; reading more would take time.

        Raises:
          TrainingDiverged: one of them is not finite.
        """
        while len(self._unseen) > all_but:
            step, metrics = self._unseen.popleft()
            if not self._config.train.skip_nonfinite and not all(
                    math.isfinite(parallel.number(metrics[name]))
                    for name in ('loss', 'grad_norm')):
                self._checked(step, metrics)

    def row(self, step: int,
            metrics: Mapping[str, jax.Array]) -> dict[str, float]:
        """All numbers of a step by name, after all that were noted.

        Raises:
          TrainingDiverged: one is not finite, and such steps are not skipped.
        """
        self.look()
        return self._checked(step, metrics)

    def _checked(self, step, metrics):
        row = {name: parallel.number(x) for name, x in metrics.items()}
        if self._config.train.skip_nonfinite:  # it counts as skipped
            row = {name: x for name, x in row.items() if math.isfinite(x)}
        check(self._config, step, row, self._saved())
        return row


def check(config: Any, step: int, row: Mapping[str, float],
          saved: int | None) -> None:
    """Raises TrainingDiverged if a number of a step's row is not finite.

    Args:
      config: of the run.
      step: its number.
      row: numbers by name.
      saved: the step of the last checkpoint, or None.
    """
    bad = {name for name, value in row.items() if not math.isfinite(value)}
    if not bad:
        return
    lines = [f'step {step} is not finite: {_listed(row, bad)}.']
    if bad < row.keys():
        lines.append(f'Still finite: {_listed(row, row.keys() - bad)}.')
    if 'topdis' in bad and resolve_engine(
            config.topdis.engine, config.train.batch_size) == 'xla':
        lines.append('Engine xla gives no number where it has no room for all '
                     'generators: topdis.capacity may be raised.')
    raise TrainingDiverged('\n'.join(lines + _advice(saved)))


def check_state(step: int, state: Any, saved: int | None) -> None:
    """Raises TrainingDiverged if a number of a state is not finite.

    For a state that is to be saved: the gradients of a family's own update,
    such as a discriminator's, are in no row.

    Args:
      step: its number.
      state: tree of arrays on the host.
      saved: the step of the last checkpoint, or None.
    """
    for path, values in jax.tree_util.tree_leaves_with_path(state):
        if np.issubdtype(values.dtype, np.floating) and not np.all(
                np.isfinite(values)):
            raise TrainingDiverged('\n'.join([
                f'step {step}: state{jax.tree_util.keystr(path)} is not '
                'finite; the state is not saved.', *_advice(saved)]))


def _advice(saved):
    return ['There is no checkpoint yet.' if saved is None else
            f'The last good checkpoint is that of step {saved}.',
            'Try a smaller train.learning_rate or topdis.weight, or leave '
            'out such steps with train.skip_nonfinite.']


def _listed(row, names):
    return ', '.join(f'{name} {value:.6g}' for name, value in row.items()
                     if name in names)
