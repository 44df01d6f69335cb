"""The witnesses of an edge, and their components by older edges."""

from typing import NamedTuple

import numpy as np

from topdis_jax.topology.engines.kernels.bits import (
    num_words, ONE, take_first, trailing_zeros)
from topdis_jax.topology.engines.kernels.decorators import (
    inlined, njit, without_counts)


@njit
def scattered(n):
    """(label of each vertex, vertex of each label), a fixed permutation.

    A search takes the first label that it has reached. Where points come in
    order, as on a curve, the first vertex would often be the nearest one, and
    the search would go in small steps.
    """
    step = max(1, np.int64(0.618 * n))
    while n > 1 and _has_common_divisor(step, n):
        step += 1
    label, vertex = np.empty((2, n), np.int64)
    for v in range(n):
        label[v] = v * step % n
        vertex[label[v]] = v
    return label, vertex


@without_counts
def _has_common_divisor(a, b):
    while b:
        a, b = b, a % b
    return a > 1


@inlined
def components(older, i, j, left, todo, witnesses):
    """The components of the witnesses of {i, j}, joined by older edges.

    Vertices are given by their labels, and are neighbors of themselves in
    `older`. Writes one witness of each component. Returns how many they are.
    """
    ends_i, ends_j = older[i], older[j]
    w = 0
    while w < left.size and not ends_i[w] & ends_j[w]:
        w += 1
    if w == left.size:
        return 0
    k = (w << 6) + np.int64(trailing_zeros(ends_i[w] & ends_j[w]))
    witnesses[0] = k
    # Most often it is a neighbor of all others: without writing anything.
    ends_k, some = older[k], np.uint64(0)
    for w in range(left.size):
        some |= ends_i[w] & ends_j[w] & ~ends_k[w]
    if not some:
        return 1
    for w in range(left.size):
        left[w] = ends_i[w] & ends_j[w]
        todo[w] = 0
    found, more = 0, np.uint64(0)
    while some:  # most often all is reached after a few steps
        if more:
            k = take_first(todo)
        else:
            k = take_first(left)
            witnesses[found] = k
            found += 1
        some, more = _reach_from(older[k], left, todo)
    return found


@inlined
def _reach_from(neighbors, left, todo):
    """Moves neighbors from one set to the other. Returns what is in any word
    of the first, and of the second."""
    some, more = np.uint64(0), np.uint64(0)
    for w in range(left.size):
        reached = left[w] & neighbors[w]
        todo[w] |= reached
        more |= todo[w]
        left[w] &= ~reached
        some |= left[w]
    return some, more


class Neighbors(NamedTuple):
    """What finds the witness of an edge later.

    Attributes:
      keys: [n, n] int64, see `kernels`.
      older: [n, words of n bits] uint64, the neighbors of each vertex by the
        edges that were born, and itself, as sets of labels.
      label, vertex: see `scattered`.
      center, radius: see `buckets.enclosing_radius`.
    """
    keys: np.ndarray
    older: np.ndarray
    label: np.ndarray
    vertex: np.ndarray
    center: int
    radius: int


@njit
def neighbors_of_none(n):
    """`older` of a `Neighbors` before the first edge."""
    older = np.zeros((n, num_words(n)), np.uint64)
    for k in range(n):
        older[k, k >> 6] = ONE << np.uint64(k & 63)
    return older


@without_counts
def witness_of(codes, neighbors, i, j):
    """The witness of an edge, i < j, that is the sum of two; written as its
    code. The one that `components` found first, when it was born."""
    keys, older, label, vertex, center, radius = neighbors
    k = center
    if keys[i, j] >> 32 <= radius:
        k = _first_older(keys, older[label[i]], older[label[j]], vertex, i, j)
    codes[i, j] = k
    return np.int64(k)


@without_counts
def _first_older(keys, ends_i, ends_j, vertex, i, j):
    for w in range(ends_i.size):
        both = ends_i[w] & ends_j[w]
        while both:
            k = vertex[(w << 6) + np.int64(trailing_zeros(both))]
            if max(keys[i, k], keys[j, k]) < keys[i, j]:
                return k
            both &= both - ONE
    return np.int64(-1)  # does not occur
