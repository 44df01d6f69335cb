"""The second way: relations in the order of their values.

They are sums of generators: see `sums`.
"""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import borrowed, on_large_pages
from topdis_jax.topology.engines.kernels.bits import num_words, ONE
from topdis_jax.topology.engines.kernels.buckets import (
    edges_within, enclosing_radius, sort_bucket)
from topdis_jax.topology.engines.kernels.caps import (
    closed_edges, LATE, needed_caps)
from topdis_jax.topology.engines.kernels.decorators import (
    inlined_once, njit, without_counts)
from topdis_jax.topology.engines.kernels.edges import cap_of, ends_of, NO_KEY
from topdis_jax.topology.engines.kernels.pivots import end_bar, Pivots
from topdis_jax.topology.engines.kernels.sums import (
    add_edge, is_settled, LONG_SUM, MANY_CODES, settle, Sums, ZERO)
from topdis_jax.topology.engines.kernels.witnesses import (
    Neighbors, components, neighbors_of_none, scattered)


@inlined_once
def homology(lower, upper, keys, candidates, stop):
    """Bars of one pair as `cohomology` has them, youngest birth first.

    Each relation, in order of value, gets earlier ones added until its
    youngest generator is not the youngest of an earlier one. If any remains,
    the relation ends that generator's bar.

    Only relations that do not follow from earlier ones are looked at. Two
    triangles of which {i, j} is the youngest edge, with witnesses joined by an
    older edge, follow from one another: there is one for each component of
    the graph of witnesses. A cap of {i, j} follows from those of {i, k} and
    {j, k}, if both come before.
    """
    n = keys.shape[0]
    bits = upper.view(np.int32)
    generators = _open_candidates(candidates, bits)
    center, radius = enclosing_radius(lower.view(np.int32))
    edges, ends = edges_within(lower.view(np.int32), keys, radius)
    is_closed = closed_edges(lower.view(np.int32), bits)
    caps, is_needed = needed_caps(lower, upper, keys, radius)
    size, words = generators.size, num_words(generators.size)
    deaths = np.full((size, 2), np.int64(-1))
    pivots = Pivots(np.empty((size, words), np.uint64),
                    np.zeros(words, np.uint64), deaths)
    # An edge longer than the radius has the center as a witness, and older
    # edges join the center to all its other witnesses: such edges are left
    # out of the order.
    codes = np.empty((n, n), np.int32)
    on_large_pages(codes)
    codes[:] = 0
    for i in range(n - 1):
        codes[i, i + 1:] = center if n <= MANY_CODES else n
    sums = Sums(np.empty((16, words), np.uint64), 0,
                np.empty(2 * LONG_SUM + 16, np.int64),
                np.empty(64, np.int64))
    label, vertex = scattered(n)
    neighbors = Neighbors(keys, neighbors_of_none(n), label, vertex, center,
                          np.int64(radius))
    _relations_in_order(edges, ends, caps, is_closed, is_needed, codes, pivots,
                        sums, np.zeros(words, np.uint64), neighbors,
                        np.empty((2, num_words(n)), np.uint64),
                        np.empty(n, np.int64), stop)
    return _bars_of(generators, deaths)


@njit
def _open_candidates(candidates, bits):
    kept = np.empty(candidates.size, np.int64)
    size = 0
    for key in candidates:
        i, j = ends_of(key)
        if cap_of(bits, i, j) > key:
            kept[size] = key
            size += 1
    return kept[:size]


@njit
def _bars_of(generators, deaths):
    bars = np.empty((generators.size, 3), np.int64)
    size = 0
    for g in range(generators.size - 1, -1, -1):
        if deaths[g, 0] >> 32 > generators[g] >> 32:
            bars[size, 0], bars[size, 1] = deaths[g, 0], deaths[g, 1]
            bars[size, 2] = generators[g]
            size += 1
    return bars[:size]


@njit
def _relations_in_order(edges, ends, caps, is_closed, is_needed, codes, pivots,
                        sums, relation, neighbors, sets, witnesses, stop):
    """Writes the relation (key, tie) that ends each generator's bar.

    Args:
      edges, ends: see `buckets.edges_within`.
      caps, is_needed: see `caps.needed_caps`.
      is_closed: see `caps.closed_edges`.
      codes, sums: see `sums`.
      relation: [words] uint64, zero.
      sets: [2, words of n bits] uint64, to work with.
      witnesses: room for n.
    """
    edges, caps = borrowed(edges), borrowed(caps)
    is_closed, is_needed = borrowed(is_closed), borrowed(is_needed)
    codes, relation = borrowed(codes), borrowed(relation)
    pivots = Pivots(borrowed(pivots.rows), borrowed(pivots.dead),
                    borrowed(pivots.deaths))
    sums = Sums(borrowed(sums.rows), sums.size, borrowed(sums.stack),
                borrowed(sums.pending))
    neighbors = Neighbors(
        borrowed(neighbors.keys), borrowed(neighbors.older),
        borrowed(neighbors.label), borrowed(neighbors.vertex),
        neighbors.center, neighbors.radius)
    sets, witnesses = borrowed(sets), borrowed(witnesses)
    left, todo = sets[0], sets[1]
    alive, born, cap = pivots.rows.shape[0], 0, 0
    begin = 0
    for end in ends:
        sort_bucket(edges, begin, end)
        while begin < end:
            if not alive or stop[0]:
                return
            due = caps[cap] >> 32 << 32 if cap < caps.size else NO_KEY
            if edges[begin] >= due:
                ended, sums = _relate_cap(caps[cap], codes, sums, relation,
                                          pivots, neighbors, stop)
                alive -= ended
                cap += 1
                continue
            begin, born, first, found = _pass_edges(
                edges, begin, end, due, is_closed, is_needed, codes, neighbors,
                left, todo, witnesses, born, stop)
            for more in range(first, found):
                ended, sums = _relate_triangle(
                    edges[begin - 1], neighbors.vertex[witnesses[more]], codes,
                    sums, relation, pivots, neighbors, stop)
                alive -= ended
    while alive and cap < caps.size:
        ended, sums = _relate_cap(caps[cap], codes, sums, relation, pivots,
                                  neighbors, stop)
        alive -= ended
        cap += 1


@without_counts
def _pass_edges(edges, place, end, due, is_closed, is_needed, codes, neighbors,
                left, todo, witnesses, born, stop):
    """Goes on from an edge until there are triangles to relate, or to `due`.

    A function of its own, as most edges have none: where arrays may be
    replaced, counts of references cost time for every edge.

    Returns (the place of the next edge, born, first, found): to be related are
    the triangles of the edge before with witnesses[first:found].
    """
    older, label, vertex = neighbors.older, neighbors.label, neighbors.vertex
    writes_all = codes.shape[0] <= MANY_CODES
    while place < end and edges[place] < due and not stop[0]:
        key = edges[place]
        i, j = ends_of(key)
        li, lj = label[i], label[j]
        found = components(older, li, lj, left, todo, witnesses)
        first = 1
        if is_closed[i, j >> 6] >> np.uint64(j & 63) & ONE:
            codes[i, j] = ZERO
            needed = is_needed[i, j >> 6] >> np.uint64(j & 63) & ONE
            first = 0 if found > 1 or needed else found
        elif found == 0:
            codes[i, j] = -2 - born
            born += 1
        elif writes_all:
            codes[i, j] = vertex[witnesses[0]]
        older[li, lj >> 6] |= ONE << np.uint64(lj & 63)
        older[lj, li >> 6] |= ONE << np.uint64(li & 63)
        place += 1
        if first < found:
            return place, born, first, found
    return place, born, 0, 0


@njit
def _relate_triangle(key, k, codes, sums, relation, pivots, neighbors, stop):
    i, j = ends_of(key)
    for a, b in ((i, j), (i, k), (j, k)):
        if not is_settled(codes, a, b):
            sums = settle(codes, sums, relation, neighbors, a, b, stop)
    if stop[0]:  # sums that are not settled have no bound
        return 0, sums
    for a, b in ((i, j), (i, k), (j, k)):
        add_edge(codes, sums.rows, sums.stack, relation, a, b)
    return end_bar(relation, pivots, key, k), sums


@njit
def _relate_cap(cap, codes, sums, relation, pivots, neighbors, stop):
    i, j = ends_of(cap & ~np.int64(LATE))
    if not is_settled(codes, i, j):
        sums = settle(codes, sums, relation, neighbors, i, j, stop)
    if stop[0]:
        return 0, sums
    add_edge(codes, sums.rows, sums.stack, relation, i, j)
    key, tie = cap >> 32 << 32, cap & 0xFFFFFFFF
    if cap & LATE:  # an edge that is zero, and whose parts are thus related
        key, tie = cap & ~np.int64(LATE), np.int64(codes[i, j])
    return end_bar(relation, pivots, key, tie), sums
