"""How much reducing columns may cost."""

from typing import NamedTuple

import numpy as np

from topdis_jax.topology.engines.kernels.decorators import without_counts
from topdis_jax.topology.engines.kernels.edges import cap_of, ends_of


class _Limits(NamedTuple):
    """What `cohomology` may do, in moves of an edge to its next triangle.

    Shares of the number of edges, except `least`.

    Attributes:
      all: all columns, at first.
      growth: what is added to that by the eighth power of the share of columns
        that is done, as what is nearly done may take more.
      one: a single column.
      least: at least so many moves of all, and of one.
    """
    all: float
    growth: float
    one: float
    least: float


_LIMITS = _Limits(0.1, 1.0, 0.35, 500.0)
# In absolute homology, where no bar is capped: there columns stay short, or
# else `homology` is so much faster that every move before it is a loss.
_ABSOLUTE_LIMITS = _Limits(0.1, 0.0, 0.05, 1000.0)
_FEW = 160  # points, of which it is less so
_ABSOLUTE_LIMITS_OF_FEW = _Limits(0.1, 0.5, 0.05, 1000.0)
# Words of all pivots of `homology`; more of them do not fit in memory.
MAX_WORDS = 1 << 27


@without_counts
def moves_of(effort, candidates, bits):
    """(moves, growth, most): `_Limits` of a pair, in moves; of all columns, of
    what is added to that, and of a single one."""
    n = bits.shape[0]
    limits = _LIMITS
    if _is_uncapped(candidates, bits):
        limits = _ABSOLUTE_LIMITS_OF_FEW if n <= _FEW else _ABSOLUTE_LIMITS
    edges, least = effort * (n * (n - 1) // 2), effort * limits.least
    return (np.int64(max(limits.all * edges, least)), limits.growth * edges,
            np.int64(max(limits.one * edges, least)))


@without_counts
def _is_uncapped(candidates, bits):
    """Whether all candidates that can give a bar have one upper value.

    So it is in absolute homology, where that is above all distances.
    """
    value = np.int64(-1)
    for key in candidates:
        i, j = ends_of(key)
        cap = cap_of(bits, i, j)
        if cap > key:
            if value >= 0 and cap >> 32 != value:
                return False
            value = cap >> 32
    return value >= 0
