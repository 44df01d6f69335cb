"""The caps that do not follow from earlier ones."""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import BLOCK, borrowed, grow
from topdis_jax.topology.engines.kernels.bits import (
    num_words, ONE, trailing_zeros)
from topdis_jax.topology.engines.kernels.decorators import (
    inlined, njit, without_counts)
from topdis_jax.topology.engines.kernels.edges import (
    cap_of, name_of, NO_SIGN, PARTS)
from topdis_jax.topology.engines.kernels.sorting import sort

LATE = 1 << 31  # comes after caps of equal value; see edges.MAX_POINTS


@njit
def closed_edges(lower, upper):
    """[n, words] uint64, bit j of row i: whether {i, j} is zero from its birth.

    Edges come in the order of their values, in which each look into the matrix
    would miss the cache; these sets are small.

    Args: lower, upper: [n, n] int32, bits of the values.
    """
    n = lower.shape[0]
    found = np.empty((n, num_words(n)), np.uint64)
    _closed_edges_of_rows(lower, upper, found)
    return found


@without_counts
def _closed_edges_of_rows(lower, upper, found):
    for i in range(found.shape[0]):
        for word in range(found.shape[1]):
            begin, end = 64 * word, min(64 * (word + 1), lower.shape[0])
            entries, others = lower[i, begin:end], upper[i, begin:end]
            equal = np.uint64(0)
            for j in range(entries.size):
                is_equal = (entries[j] ^ others[j]) & np.int32(NO_SIGN) == 0
                equal |= ONE << np.uint64(j) if is_equal else np.uint64(0)
            found[i, word] = equal


@njit
def needed_caps(lower, upper, keys, radius):
    """(caps, is_needed): those that do not follow from earlier ones.

    Returns:
      caps: value << 32 | name, ascending, of edges with lower < upper; and of
        edges with lower == upper beyond the radius, with the bit LATE.
      is_needed: [n, words] uint64, bit j of row i for the other edges with
        lower == upper: zero from their birth on, they relate their two parts.
    """
    n = upper.shape[0]
    is_needed = np.zeros((n, num_words(n)), np.uint64)
    caps = _needed_caps_of_rows(lower, upper, keys, radius, is_needed,
                                np.empty(4 * n + 16, np.int64),
                                np.empty(n, np.float32))
    return sort(caps), is_needed


@njit
def _needed_caps_of_rows(lower, upper, keys, radius, is_needed, caps, reach):
    lower, upper, keys = borrowed(lower), borrowed(upper), borrowed(keys)
    is_needed, caps = borrowed(is_needed), borrowed(caps)
    reach = borrowed(reach)
    n, bits, size = upper.shape[0], upper.view(np.int32), 0
    # From the radius on every edge is the sum of two to the center, and those
    # are zero, too, if edges that are zero connect all points.
    last = np.int32(NO_SIGN)
    if _is_connected(lower.view(np.int32), bits, radius):
        last = radius
    for i in range(n - 1):
        if size + n > caps.size:
            caps = grow(caps)
        _reach_in(upper, i, last, reach)
        size = _append_needed_caps(lower, upper, keys, radius, i, last, reach,
                                   is_needed, caps, size)
    return caps[:size].copy()


@without_counts
def _append_needed_caps(lower, upper, keys, radius, i, last, reach, is_needed,
                        caps, size):
    n, bits = upper.shape[0], upper.view(np.int32)
    for begin in range((i + 1) & ~63, n, 64):
        edges = _short_edges(upper[i], last, reach, begin, min(begin + 64, n))
        edges &= ~np.uint64(0) << np.uint64(max(0, i + 1 - begin))
        while edges:
            j = begin + np.int64(trailing_zeros(edges))
            edges &= edges - ONE
            cap = cap_of(bits, i, j)
            is_closed = cap < keys[i, j]
            if _is_spanned(lower, upper, keys, i, j, is_closed):
                continue
            if is_closed and keys[i, j] >> 32 <= radius:
                is_needed[i, j >> 6] |= ONE << np.uint64(j & 63)
                continue
            cap |= keys[i, j] & 0xFFFFFFFF
            caps[size] = cap | LATE if is_closed else cap
            size += 1
    return size


@inlined
def _short_edges(row, last, reach, begin, end):
    """Which of the edges are neither longer than the reach nor than `last`
    (by their bits): a bit of each."""
    lengths, limits = row[begin:end], reach[begin:end]
    bits, found = lengths.view(np.int32), np.uint64(0)
    for j in range(lengths.size):
        is_short = (lengths[j] <= limits[j]) & (bits[j] <= last)
        found |= ONE << np.uint64(j) if is_short else np.uint64(0)
    return found


@njit
def _is_connected(lower, upper, radius):
    """Whether edges with lower == upper within the radius connect all points.

    Args: lower, upper: [n, n] int32, bits of the values.
    """
    n = lower.shape[0]
    queue = np.zeros(n, np.int64)
    left = np.zeros(num_words(n), np.uint64)
    for j in range(1, n):
        left[j >> 6] |= ONE << np.uint64(j & 63)
    size = 1
    for place in range(n):
        if place == size:
            return False
        if size == n:
            break
        size = _reach_equal(lower[queue[place]], upper[queue[place]], radius,
                            left, queue, size)
    return True


@without_counts
def _reach_equal(row, other, radius, left, queue, size):
    """Moves vertices that equal entries within the radius lead to from those
    that are left to the queue. Returns its size."""
    for word in range(left.size):
        begin, end = 64 * word, min(64 * (word + 1), row.size)
        entries, others = row[begin:end], other[begin:end]
        found = np.uint64(0)
        for j in range(entries.size):
            leads = (entries[j] == others[j]) & (entries[j] <= radius)
            found |= ONE << np.uint64(j) if leads else np.uint64(0)
        found &= left[word]
        left[word] ^= found
        while found:
            queue[size] = begin + np.int64(trailing_zeros(found))
            found &= found - ONE
            size += 1
    return size


@without_counts
def _reach_in(upper, i, last, reach):
    """min over some neighbors k of i of max(upper[i, k], upper[k, j]), for j.

    The neighbors are the nearest of each part of the vertices. Infinite where
    no more edges of i than parts are within `last`: the reach would take
    longer than it saves.
    """
    n = reach.size
    row = upper[i]
    reach[:] = np.inf
    bits, within = row.view(np.int32), np.int32(0)
    for j in range(n):
        within = np.int32(within + (bits[j] <= last))
    if within <= PARTS:
        return
    for part in range(PARTS):
        begin, end = part * n // PARTS, (part + 1) * n // PARTS
        near = np.float32(np.inf)
        for k in range(begin, end):
            near = min(near, row[k] if k != i else np.float32(np.inf))
        for k in range(begin, end):
            if row[k] == near and k != i:
                other = upper[k]
                for j in range(n):
                    reach[j] = min(reach[j], max(near, other[j]))
                break


@without_counts
def _is_spanned(lower, upper, keys, i, j, is_closed):
    """Whether the cap of {i, j} follows from those of {i, k} and {j, k}.

    They and the triangle have to come before. A cap with lower == upper stands
    for the triangles of which {i, j} is the youngest edge: so {i, k} and
    {j, k} have to be older, and their caps to come before triangles.
    """
    row_i, row_j, value = upper[i], upper[j], upper[i, j]
    for begin in range(0, row_i.size, 4 * BLOCK):
        end = min(begin + 4 * BLOCK, row_i.size)
        within = np.int32(0)
        for k in range(begin, end):
            within = np.int32(within + (max(row_i[k], row_j[k]) <= value))
        if within == (begin <= i < end) + (begin <= j < end):  # the ends alone
            continue
        for k in range(begin, end):
            if k == i or k == j or max(row_i[k], row_j[k]) > value:
                continue
            if is_closed:
                if max(keys[i, k], keys[j, k]) < keys[i, j]:
                    return True
            elif (max(lower[i, k], lower[j, k]) < value
                  and (row_i[k] < value or name_of(i, k) < name_of(i, j))
                  and (row_j[k] < value or name_of(j, k) < name_of(i, j))):
                return True
    return False
