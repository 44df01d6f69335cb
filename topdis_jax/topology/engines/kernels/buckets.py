"""The edges within the enclosing radius, in order."""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import on_large_pages
from topdis_jax.topology.engines.kernels.decorators import (
    inlined, njit, without_counts)
from topdis_jax.topology.engines.kernels.edges import NO_SIGN
from topdis_jax.topology.engines.kernels.sorting import SHORT, sort, sort_part

_IN_BUCKET = 8  # edges, about


@without_counts
def enclosing_radius(bits):
    """(vertex, bits of its largest distance), where that is least."""
    center, radius = 0, np.int32(NO_SIGN)
    for i in range(bits.shape[0]):
        row = bits[i]
        largest = np.int32(0)
        for j in range(row.size):
            largest = max(largest, row[j] & np.int32(NO_SIGN))
        if largest < radius:
            center, radius = i, largest
    return center, radius


@njit
def edges_within(bits, keys, radius):
    """(edges, ends): keys of the edges not longer than the radius.

    Bucket b is edges[ends[b - 1]:ends[b]], in the order of values, and is not
    sorted itself: the last ones are seldom needed.
    """
    n = bits.shape[0]
    lengths = bits.view(np.float32)
    limit = np.array([radius]).view(np.float32)[0]
    scale = np.float64(n - 1) / limit if limit > 0 else 0.0
    parts, buckets = _parts_in_buckets(lengths, limit, scale)
    ends = np.zeros(buckets + 1, np.int64)
    for i in range(n - 1):
        for j in range(i + 1, n):
            if lengths[i, j] <= limit:
                ends[_bucket(parts, lengths[i, j] * scale) + 1] += 1
    for b in range(buckets):
        ends[b + 1] += ends[b]
    edges = np.empty(ends[buckets], np.int64)
    on_large_pages(edges)
    for i in range(n - 1):
        for j in range(i + 1, n):
            if lengths[i, j] <= limit:
                b = _bucket(parts, lengths[i, j] * scale)
                edges[ends[b]] = keys[i, j]
                ends[b] += 1
    return edges, ends


@njit
def _parts_in_buckets(lengths, limit, scale):
    """(parts, number of buckets) for about _IN_BUCKET edges in each.

    Lengths up to the limit, times scale, are in n parts of length 1. A sample
    of about 64 rows estimates how many edges each part has: these are very
    different numbers, as distances in many dimensions are much alike.

    Returns:
      parts: [n, 2] float64, the first bucket of each part and how many it has.
    """
    n = lengths.shape[0]
    parts, step = np.zeros((n, 2)), 1 + n // 64
    for i in range(0, n, step):
        for j in range(n):
            if lengths[i, j] <= limit:
                # Rows have each edge twice.
                parts[np.int64(lengths[i, j] * scale), 1] += (
                    step / (2 * _IN_BUCKET))
    buckets = 0.0
    for part in range(n):
        parts[part, 0], parts[part, 1] = buckets, 1 + np.floor(parts[part, 1])
        buckets += parts[part, 1]
    return parts, np.int64(buckets) + 1


@inlined
def _bucket(parts, place):
    """The bucket of a length times scale; never lower for a greater one, as
    sums are rounded in one direction or to the next part's first bucket."""
    part = np.int64(place)
    first, size = parts[part, 0], parts[part, 1]
    # Without a sign, an index is not tried as one from the end.
    return np.uint64(np.int64(first + (place - part) * size))


@njit
def sort_bucket(edges, begin, end):
    """Sorts one bucket. It is large where many distances are nearly equal."""
    if end - begin <= SHORT:
        sort_part(edges, begin, end)
        return
    ordered = sort(edges[begin:end])
    for place in range(ordered.size):
        edges[begin + place] = ordered[place]
