"""Batches of one size, so that a compiled function is compiled once."""

from collections.abc import Callable

import numpy as np


def run_padded(function: Callable[[np.ndarray], np.ndarray], batch: np.ndarray,
               batch_size: int) -> np.ndarray:
    """Applies a function to a batch that is padded to `batch_size` rows.

    Args:
      function: [batch_size, ...] -> [batch_size, ...], row by row.
      batch: [b, ...] with 1 <= b <= batch_size.
      batch_size: rows that `function` is given.

    Returns:
      [b, ...] NumPy array.

    Raises:
      ValueError: the output does not have one row per row of the input.
    """
    count = len(batch)
    if count < batch_size:
        padding = np.repeat(batch[-1:], batch_size - count, axis=0)
        batch = np.concatenate([batch, padding])
    result = np.asarray(function(batch))
    if result.shape[:1] != (batch_size,):
        raise ValueError(
            f'a batch of {batch_size} rows must give {batch_size} rows, '
            f'received shape {result.shape}')
    return result[:count]
