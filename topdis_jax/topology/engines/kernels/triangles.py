"""The triangles of an edge, in order: searches along two rows."""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import BLOCK
from topdis_jax.topology.engines.kernels.bits import ONE, trailing_zeros
from topdis_jax.topology.engines.kernels.decorators import (
    inlined, without_counts)
from topdis_jax.topology.engines.kernels.edges import ends_of, NO_KEY

# Of _MANY_POINTS or more, a search keeps the minimum of each block of vertices.
_WIDTH, _MANY_POINTS = 32, 192


@without_counts
def num_minima(n):
    """Blocks of which a search among n vertices keeps the minimum."""
    return (n + _WIDTH - 1) // _WIDTH if n >= _MANY_POINTS else 0


@without_counts
def first_witness(keys, i, j, begin, end):
    """The first witness of {i, j} among begin .. end - 1, or -1."""
    key = keys[i, j]
    while begin < end:
        stop = min(begin + 2 * BLOCK, end)
        row_i, row_j = keys[i, begin:stop], keys[j, begin:stop]
        # A bit of each, as the compiler makes vector operations of that.
        found = np.uint64(0)
        for k in range(row_i.size):
            is_older = max(row_i[k], row_j[k]) < key
            found |= ONE << np.uint64(k) if is_older else np.uint64(0)
        if found:
            return begin + np.int64(trailing_zeros(found))
        begin = stop
    return np.int64(-1)


@without_counts
def least_above(row_i, row_j, floor):
    """min over k of max(row_i[k], row_j[k]) where that is above floor."""
    least = np.int64(NO_KEY)
    for k in range(row_i.size):
        key = max(row_i[k], row_j[k])
        key = key if key > floor else NO_KEY
        least = min(least, key)
    return least


@without_counts
def _least_of_blocks(keys, i, j, floor, minima):
    """`least_above` of rows i and j, with the search before in mind.

    Args:
      floor: what the search before found, if there was one.
      minima: [blocks of vertices], what each had above the floor before: only
        the block of the floor is searched again. Or 0 first: nothing is
        known.
    """
    first, last = 0, minima.size
    if minima[0]:
        a, b = ends_of(floor)
        first = (a + b - (i if a == i or b == i else j)) // _WIDTH
        last = first + 1
    for block in range(first, last):
        begin, end = _WIDTH * block, min(_WIDTH * (block + 1), keys.shape[0])
        minima[block] = least_above(keys[i, begin:end], keys[j, begin:end],
                                    floor)
    least = np.int64(NO_KEY)
    for block in range(minima.size):
        least = min(least, minima[block])
    return least


@inlined
def opposite(key, i, j):
    """The vertex opposite to the edge `key` in its triangle with {i, j}."""
    a, b = ends_of(key)
    return j if a == i or b == i else i


@inlined
def first_triangle(keys, i, j, key, tie, minima):
    """The smallest triangle of {i, j} above the relation (key, tie).

    {i, j} is not younger than `key`. The key is NO_KEY if there is none.
    minima: see `_least_of_blocks`; of size 0 for few points.
    """
    if keys[i, j] != key:
        v = _same_youngest(keys, i, j, key)
        if v > tie:
            return key, v
    return next_triangle(keys, i, j, key, tie, minima)


@inlined
def next_triangle(keys, i, j, key, tie, minima):
    """The smallest triangle of {i, j} above (key, tie), which is one of its
    triangles."""
    if keys[i, j] == key:
        k = first_witness(keys, i, j, tie + 1, keys.shape[0])
        if k >= 0:
            return key, k
    if minima.size:
        key = _least_of_blocks(keys, i, j, key, minima)
    else:
        key = least_above(keys[i], keys[j], key)
    return key, opposite(key, i, j)


@inlined
def _same_youngest(keys, i, j, key):
    """The vertex opposite to `key` in its triangle with {i, j}, if `key` is
    the youngest there, else -1."""
    a, b = ends_of(key)
    at_i, at_j = a == i or b == i, a == j or b == j
    if not (at_i or at_j):
        return np.int64(-1)
    k = a + b - (i if at_i else j)
    if max(keys[i, k], keys[j, k]) != key:
        return np.int64(-1)
    return np.int64(j if at_i else i)
