"""The edges that can give a bar."""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import BLOCK, borrowed, grow
from topdis_jax.topology.engines.kernels.bits import ONE, trailing_zeros
from topdis_jax.topology.engines.kernels.decorators import (
    inlined_once, njit, without_counts)
from topdis_jax.topology.engines.kernels.edges import PARTS
from topdis_jax.topology.engines.kernels.sorting import sort
from topdis_jax.topology.engines.kernels.triangles import first_witness


@inlined_once
def candidates_of(lower, uppers, keys):
    """Keys, ascending, of the edges that could give a bar of some pair.

    They have no witness: no vertex of which both edges to the ends are older.
    """
    n = lower.shape[0]
    nearest = np.empty((PARTS, n), np.int32)
    _nearest_of_parts(lower, nearest, np.empty(n, np.float32))
    return sort(_candidates_of_rows(
        lower, uppers, keys, nearest,
        np.empty(4 * n + 16, np.int64)))


@without_counts
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


@njit
def _candidates_of_rows(lower, uppers, keys, nearest, found):
    found, n, size = borrowed(found), lower.shape[0], 0
    for i in range(n - 1):
        if size + n > found.size:
            found = grow(found)
        size = _append_candidates(lower, uppers, keys, i, nearest, found, size)
    return found[:size].copy()


@without_counts
def _append_candidates(lower, uppers, keys, i, nearest, found, size):
    n = lower.shape[0]
    for begin in range((i + 1) & ~63, n, 64):
        edges = _open_edges(lower, uppers, i, nearest, begin,
                            min(begin + 64, n))
        edges &= ~np.uint64(0) << np.uint64(max(0, i + 1 - begin))
        while edges:
            j = begin + np.int64(trailing_zeros(edges))
            edges &= edges - ONE
            if not _has_witness(lower, keys, i, j):
                found[size] = keys[i, j]
                size += 1
    return size


@without_counts
def _open_edges(lower, uppers, i, nearest, begin, end):
    """Which edges {i, j}, begin <= j < end, may be candidates: a bit of each.

    An edge {i, j} has a witness if it is longer than both {i, k} and {j, k},
    for some k. A few near neighbors k of i, the nearest of each part of the
    vertices, are enough for most edges that have one.

    All in one loop that writes nothing: else most of the time goes into
    checks that arrays do not overlap.
    """
    a, b, c, d = nearest[0, i], nearest[1, i], nearest[2, i], nearest[3, i]
    e, f, g, h = nearest[4, i], nearest[5, i], nearest[6, i], nearest[7, i]
    to_a, to_b, to_c, to_d = lower[i, a], lower[i, b], lower[i, c], lower[i, d]
    to_e, to_f, to_g, to_h = lower[i, e], lower[i, f], lower[i, g], lower[i, h]
    row_a, row_b = lower[a, begin:end], lower[b, begin:end]
    row_c, row_d = lower[c, begin:end], lower[d, begin:end]
    row_e, row_f = lower[e, begin:end], lower[f, begin:end]
    row_g, row_h = lower[g, begin:end], lower[h, begin:end]
    row, found = lower[i, begin:end], np.uint64(0)
    for item in range(uppers.shape[0]):
        upper = uppers[item, i, begin:end]
        for j in range(row.size):
            first = min(min(max(to_a, row_a[j]), max(to_b, row_b[j])),
                        min(max(to_c, row_c[j]), max(to_d, row_d[j])))
            second = min(min(max(to_e, row_e[j]), max(to_f, row_f[j])),
                         min(max(to_g, row_g[j]), max(to_h, row_h[j])))
            is_open = (row[j] <= min(first, second)) & (row[j] < upper[j])
            found |= ONE << np.uint64(j) if is_open else np.uint64(0)
    return found


@without_counts
def _has_witness(lower, keys, i, j):
    row_i, row_j = lower[i], lower[j]
    value = row_i[j]
    shorter, equal = np.int32(0), np.int32(0)
    for begin in range(0, row_i.size, 4 * BLOCK):
        block_i = row_i[begin:begin + 4 * BLOCK]
        block_j = row_j[begin:begin + 4 * BLOCK]
        for k in range(block_i.size):
            longer = max(block_i[k], block_j[k])
            # The sum of two int32 is int64, of which a register holds half
            # as many.
            shorter = np.int32(shorter + (longer < value))
            equal = np.int32(equal + (longer == value))
        if shorter:
            return True
    # More than i and j: the order of equal values decides.
    return equal > 2 and first_witness(keys, i, j, 0, row_i.size) >= 0
