"""Edges as integers: keys, names and caps."""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import on_large_pages
from topdis_jax.topology.engines.kernels.decorators import (
    inlined, njit, without_counts)

MAX_POINTS = 1 << 15  # keeps bit 31 of a name free: see caps.LATE
NO_KEY = np.iinfo(np.int64).max
NO_SIGN = 0x7FFFFFFF  # -0 counts as 0
PARTS = 8  # of the vertices; candidates._open_edges is written for 8


@njit
def edge_keys(lower):
    """[n, n] int64, the keys of all edges."""
    n = lower.shape[0]
    keys = np.empty((n, n), np.int64)
    on_large_pages(keys)
    _keys_of_rows(lower.view(np.int32), keys)
    return keys


@without_counts
def _keys_of_rows(bits, keys):
    for i in range(bits.shape[0]):
        row, keys_i = bits[i], keys[i]
        for j in range(row.size):
            name = (min(i, j) << 16) | max(i, j)
            keys_i[j] = (np.int64(row[j] & NO_SIGN) << 32) | name
        keys_i[i] = NO_KEY


@inlined
def ends_of(key):
    """The ends (i, j), i < j, of an edge that is given by key or name."""
    return (key >> 16) & 0xFFFF, key & 0xFFFF


@inlined
def cap_of(bits, i, j):
    """The key of the cap of {i, j}. Its tie is the name of the edge."""
    return np.int64(bits[i, j] & NO_SIGN) << 32


@without_counts
def name_of(i, j):
    """Both ends in one integer, 16 bits each, the lower one first."""
    return (min(i, j) << 16) | max(i, j)


@without_counts
def value_of(key):
    """The float32 value of a key."""
    return np.int32(key >> 32).view(np.float32)
