"""One run in several processes, on as many hosts: who speaks for it."""

import jax
from jax.experimental import multihost_utils
import numpy as np


def join(coordinator, count, index):
    """Joins the run's processes; before the first use of a device.

    Args:
      coordinator: 'host:port' of process 0, the same in all.
      count: number of processes. On a TPU pod slice all three may be None:
        its environment has them.
      index: of this process.
    """
    jax.distributed.initialize(coordinator, count, index)


def is_first():
    """Whether this process logs, draws and scores."""
    return jax.process_index() == 0


def wait(name):
    """Waits for all processes to come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def from_first(value):
    """A number of process 0, in all of them."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float64(value)))
