"""Edges as integers: keys, names and caps."""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import on_large_pages
from topdis_jax.topology.engines.kernels.decorators import inlined, jit, leaf

MAX_POINTS = 1 << 15
NO_KEY = np.iinfo(np.int64).max
NO_SIGN = 0x7FFFFFFF  # -0 counts as 0
PARTS = 8  # of the vertices, whose nearest are looked at first


@jit
def edge_keys(lower):
    """(keys of all edges, nearest [PARTS, n]: see `_nearest_of_parts`)."""
    n = lower.shape[0]
    keys = np.empty((n, n), np.int64)
    on_large_pages(keys)
    nearest = np.empty((PARTS, n), np.int32)
    _keys_of_rows(lower.view(np.int32), keys)
    _nearest_of_parts(lower, nearest, np.empty(n, np.float32))
    return keys, nearest


@leaf
def _keys_of_rows(bits, keys):
    for i in range(bits.shape[0]):
        row, keys_i = bits[i], keys[i]
        for j in range(row.size):
            name = (min(i, j) << 16) | max(i, j)
            keys_i[j] = (np.int64(row[j] & NO_SIGN) << 32) | name
        keys_i[i] = NO_KEY


@leaf
def _nearest_of_parts(lower, nearest, least):
    """The nearest neighbor of each vertex, in each part of the vertices.

    Of all vertices at once: a row of the matrix is a column, too.
    """
    n = lower.shape[0]
    for part in range(PARTS):
        found = nearest[part]
        for i in range(n):
            least[i] = np.inf
            found[i] = i + 1 if i + 1 < n else i - 1  # for parts without any
        for j in range(part * n // PARTS, (part + 1) * n // PARTS):
            row, vertex = lower[j], np.int32(j)
            least_j, found_j = least[j], found[j]
            for i in range(n):
                found[i] = vertex if row[i] < least[i] else found[i]
                least[i] = min(row[i], least[i])
            least[j], found[j] = least_j, found_j  # j itself is no neighbor


@inlined
def ends_of(key):
    return (key >> 16) & 0xFFFF, key & 0xFFFF


@inlined
def cap_of(bits, i, j):
    return np.int64(bits[i, j] & NO_SIGN) << 32


@leaf
def name_of(i, j):
    return (min(i, j) << 16) | max(i, j)


@leaf
def value_of(key):
    return np.int32(key >> 32).view(np.float32)
