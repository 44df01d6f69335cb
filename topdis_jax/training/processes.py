"""One run in several processes, on as many hosts: who speaks for it."""

from collections.abc import Callable, Iterator
import contextlib
import os
import sys
import time
import traceback
from typing import Any, ContextManager

import jax
from jax.experimental import multihost_utils
import numpy as np


class ElsewhereError(RuntimeError):
    """Process 0 ended, with a message of its own."""


def join(coordinator: str | None, count: int | None,
         index: int | None) -> None:
    """Joins the run's processes; before the first use of a device.

    Args:
      coordinator: 'host:port' of process 0, the same in all.
      count: number of processes. On a TPU pod slice all three may be None:
        its environment has them.
      index: of this process.
    """
    jax.distributed.initialize(coordinator, count, index)


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """Within, after join(): an error ends this process at once.

    Its usual end waits for the others, minutes, and they wait for it in the
    next step. At once, their step fails, or the coordinator misses this
    process (after 100 seconds), and they end too.
    """
    try:
        yield
    except BaseException as error:
        _leave(error)


def _leave(error):
    status = error.code if isinstance(error, SystemExit) else 1
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        print('\nThis process ends, perhaps because another one did. The same '
              'command in all of them goes on from the last checkpoint.',
              file=sys.stderr)
    elif isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if is_first():
        time.sleep(1)  # the coordinator goes last: the others abort then
    os._exit(status or 0)


def is_first() -> bool:
    """Whether this process logs, plots and scores."""
    return jax.process_index() == 0


@contextlib.contextmanager
def first_prepares(prepare: Callable[[], ContextManager]) -> Iterator[None]:
    """Process 0 prepares something, which it holds within; the others wait.

    Args:
      prepare: () -> context manager.

    Raises:
      ElsewhereError: in the others, if it failed in process 0.
    """
    with contextlib.ExitStack() as stack:
        failed = None
        if is_first():
            try:
                stack.enter_context(prepare())
            except Exception as error:
                failed = error
        if from_first(failed is not None):
            raise failed or ElsewhereError('process 0 ended and says why')
        yield


def from_first(value: Any) -> Any:
    """A number of process 0, in all of them."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float64(value)))
