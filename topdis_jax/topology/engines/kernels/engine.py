"""The engine as a C function, and what calls it from Python.

The callers find it by its symbol, ENGINE_NAME: if they called it as a function
of Numba's, the whole engine would be compiled once more into each.
"""

from collections.abc import Callable

import numba
import numpy as np

from topdis_jax.topology.engines.kernels.arrays import (
    bool_at, float32_at, int32_at)
from topdis_jax.topology.engines.kernels.barcodes import barcodes

EFFORT = 1.0  # times all that `limits` allows

ENGINE_NAME = 'topdis_jax_engine'
ENGINE_SIGNATURE = numba.int32(
    *[numba.intp] * 7, numba.float64, *[numba.intp] * 8)
compiled_engine = numba.types.ExternalFunction(ENGINE_NAME, ENGINE_SIGNATURE)
CALL_SIGNATURE = numba.int32(
    numba.float32[:, :, ::1], numba.float32[:, :, ::1], numba.bool_[:, ::1],
    numba.int64, numba.int64, numba.float64,
    numba.int32[::1], numba.int32[:, :, ::1], numba.int32[:, :, ::1],
    numba.bool_[:, ::1], numba.int32[::1])
PAIR_SIGNATURE = (numba.float32[:, ::1], numba.float32[:, ::1], numba.int64,
                  numba.int32[::1])


def make(source_hash: int) -> Callable[..., int]:
    """Returns the function that Numba compiles as the engine.

    source_hash: see there.
    """
    def run(lower, upper, mask, items, n, first, last, effort, stop,
            birth_edges, death_edges, capped, num_bars, values, num_values,
            counts):
        """`barcodes` of arrays that lie at these addresses. Returns 1.

        num_values: num_bars, or 0 if values are not wanted. 0 is returned if
        it could not end, as memory does not suffice.
        """
        _ = source_hash  # thus a closure variable
        barcodes(
            float32_at(lower, (items, n, n)), float32_at(upper, (items, n, n)),
            bool_at(mask, (items, n)), first, last, effort,
            int32_at(stop, 1), int32_at(birth_edges, (items, num_bars, 2)),
            int32_at(death_edges, (items, num_bars, 2)),
            bool_at(capped, (items, num_bars)),
            float32_at(values, (items, num_values, 2)),
            int32_at(counts, items))
        return 1

    return run


# Before it uses compiled code of these two again, Numba looks at this file
# alone: they need no other.


def call(lower, upper, mask, first, last, effort, stop, birth_edges,
         death_edges, capped, counts):
    """The engine with these arrays, without values."""
    items, n = mask.shape
    return compiled_engine(
        lower.ctypes.data, upper.ctypes.data, mask.ctypes.data, items, n,
        first, last, effort, stop.ctypes.data, birth_edges.ctypes.data,
        death_edges.ctypes.data, capped.ctypes.data, capped.shape[1], 0, 0,
        counts.ctypes.data)


def bars_of_pair(lower, upper, places, stop):
    """(what the engine returns, count, and the parts of host.Bars) of one pair.

    Args: lower, upper: [n, n] float32. places: for so many bars at most.
    """
    n = lower.shape[0]
    mask = np.ones(n, np.bool_)
    edges = np.empty((2, places, 2), np.int32)
    capped = np.empty(places, np.bool_)
    values = np.empty((places, 2), np.float32)
    counts = np.empty(1, np.int32)
    done = compiled_engine(
        lower.ctypes.data, upper.ctypes.data, mask.ctypes.data, 1, n, 0, 1,
        EFFORT, stop.ctypes.data, edges[0].ctypes.data, edges[1].ctypes.data,
        capped.ctypes.data, places, values.ctypes.data, places,
        counts.ctypes.data)
    count = np.int64(counts[0])
    size = max(0, min(count, places))
    return (done, count, values[:size, 0], values[:size, 1],
            edges[0, :size], edges[1, :size], capped[:size])
