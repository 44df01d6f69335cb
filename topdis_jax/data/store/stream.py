"""Stream: the images of a data set, read block by block."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np


class Stream(NamedTuple):
    """Images that are read once, from the first to the last.

    Attributes:
      shape: (N, h, w, c).
      blocks: () -> iterable of uint8 arrays; their bytes, one after another,
        are those of all images. A block may be overwritten when the next one
        is requested.
      factor_names, factor_sizes: as in FactorDataset.
    """
    shape: tuple[int, ...]
    blocks: Callable[[], Iterable[np.ndarray]]
    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()
