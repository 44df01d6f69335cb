"""The compiled part of the persistence engine: one barcode at a time.

Notation. Edges are numbered by rank, their place in the order by (lower
value, i, j). A triangle is named by its youngest edge, the one of the largest
rank t, and the vertex v opposite to it. The cap of an edge is the relation
that makes it zero at its upper value. Relations are ordered by (value, id),
which these 64-bit keys reproduce:

    triangle (t, v): 2 t + 1 | v
    cap of e:        2 p     | bits of upper[e], then the rank of e,

where p is the number of edges with lower < upper[e], so that a cap comes
before the triangles of equal value.
"""

import functools
import sys

import numba
import numpy as np


def _can_cache():
    """Whether compiled code can be kept, beside the source or at the user's."""
    try:
        numba.njit(cache=True)(_can_cache)
    except RuntimeError as error:
        print('topdis_jax: the persistence engine is compiled anew in each '
              f'process ({error}); set NUMBA_CACHE_DIR to a folder that can '
              'be written to', file=sys.stderr)
        return False
    return True


_jit = functools.partial(numba.njit, nogil=True, cache=_can_cache())


@_jit()
def check(lower, upper):
    """Whether two matrices are valid: see relative_h1's errors."""
    n = lower.shape[0]
    for i in range(n):
        if lower[i, i] != 0 or upper[i, i] != 0:
            return False
        for j in range(i):
            low, high = lower[i, j], upper[i, j]
            # A comparison with NaN is false.
            if not 0 <= low <= high < np.inf:
                return False
            if low != lower[j, i] or high != upper[j, i]:
                return False
    return True


@_jit()
def order_edges(lower):
    """Edges by (value, i, j): (i [E], j [E], values [E], rank [n, n])."""
    n = lower.shape[0]
    keys = np.empty(n * (n - 1) // 2, np.uint32)
    places = np.empty(keys.size, np.int32)
    # The bits of floats that are not negative are in the floats' order.
    bits = lower.view(np.uint32)
    e = 0
    for i in range(n):
        for j in range(i + 1, n):
            keys[e] = bits[i, j]
            places[e] = i * n + j
            e += 1
    places = _radix_sort(keys, places)
    first = np.empty(keys.size, np.int32)
    second = np.empty(keys.size, np.int32)
    values = np.empty(keys.size, np.float32)
    rank = np.empty((n, n), np.int32)
    for i in range(n):
        rank[i, i] = keys.size
    for r in range(keys.size):
        i = places[r] // n
        j = places[r] - i * n
        first[r], second[r], values[r] = i, j, lower[i, j]
        rank[i, j] = r
        rank[j, i] = r
    return first, second, values, rank


@_jit()
def _radix_sort(keys, items):
    """Items in the order of their 32-bit keys; stable."""
    spare_keys, spare_items = np.empty_like(keys), np.empty_like(items)
    starts = np.empty(2048, np.int64)
    for shift in (0, 11, 22):
        starts[:] = 0
        for key in keys:
            starts[(key >> np.uint32(shift)) & np.uint32(2047)] += 1
        total = 0
        for digit in range(2048):
            count = starts[digit]
            starts[digit] = total
            total += count
        for e in range(keys.size):
            digit = (keys[e] >> np.uint32(shift)) & np.uint32(2047)
            place = starts[digit]
            starts[digit] = place + 1
            spare_keys[place] = keys[e]
            spare_items[place] = items[e]
        keys, spare_keys = spare_keys, keys
        items, spare_items = spare_items, items
    return items


@_jit()
def first_witnesses(first, second, n):
    """For each edge the smallest v of a triangle it is youngest in, or -1."""
    words = (n + 63) // 64
    older = np.zeros((n, words), np.uint64)  # older[i]: i's edges so far
    witness = np.empty(first.size, np.int32)
    one = np.uint64(1)
    for r in range(first.size):
        i, j = first[r], second[r]
        witness[r] = -1
        for w in range(words):
            common = older[i, w] & older[j, w]
            if common:
                witness[r] = 64 * w + _lowest_bit(common)
                break
        older[i, j >> 6] |= one << np.uint64(j & 63)
        older[j, i >> 6] |= one << np.uint64(i & 63)
    return witness


@_jit()
def _lowest_bit(word):
    bit = 0
    for width in (32, 16, 8, 4, 2, 1):
        mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
        if not word & mask:
            word >>= np.uint64(width)
            bit += width
    return bit


@_jit()
def _count_below(values, limit):
    """How many of the ascending values are below a limit."""
    low, high = 0, values.size
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < limit:
            low = middle + 1
        else:
            high = middle
    return low


@_jit()
def reduce(first, second, values, rank, witness, caps):
    """All bars: (births [b] ranks, deaths [b] ranks, capped [b]).

    caps [E] holds upper by rank. Candidates are taken from the youngest to
    the oldest, and the coboundary of each is reduced until its smallest
    relation is nobody's else.
    """
    candidates = 0
    for r in range(first.size):
        candidates += witness[r] < 0 and values[r] < caps[r]
    births = np.empty(candidates, np.int32)
    deaths = np.empty(candidates, np.int32)
    capped = np.empty(candidates, np.bool_)
    bars = 0
    cap_bits = caps.view(np.uint32)
    # Pivots that are taken: hash table of (key, tie) -> column.
    size = 64
    while size < 4 * candidates:
        size *= 2
    table_key = np.zeros(size, np.uint64)
    table_tie = np.empty(size, np.int32)
    table_column = np.empty(size, np.int32)
    # Reduced columns: the edges whose coboundaries were added.
    starts = np.zeros(candidates + 1, np.int64)
    pool = np.empty(4 * candidates + 64, np.int32)
    columns = 0
    heap_key = np.empty(256, np.uint64)
    heap_tie = np.empty(256, np.int32)
    column = np.empty(64, np.int32)
    for c in range(first.size - 1, -1, -1):
        if witness[c] >= 0 or not values[c] < caps[c]:
            continue
        limit = _count_below(values, caps[c])
        t, v = _smallest_triangle(rank, first[c], second[c])
        if t >= limit:
            births[bars], deaths[bars], capped[bars] = c, c, True
            bars += 1
            continue
        key = _triangle_key(t, v)
        tie = np.int32(-1)
        added, entries = 0, 0  # edges besides c; relations in the heap
        owner = _owner(key, tie, t, v, witness, values, caps, table_key,
                       table_tie, table_column)
        if owner != -1:
            bound = _cap_key(limit, cap_bits[c])
            heap_key, heap_tie, entries = _push_coboundary(
                c, limit, bound, c, first, second, rank, values, caps,
                cap_bits, heap_key, heap_tie, 0)
            while True:
                key, tie, entries = _pop_pivot(heap_key, heap_tie, entries)
                if key == 0:
                    break
                t = (np.int64(key >> np.uint64(32)) - 1) >> 1
                v = np.int64(key & np.uint64(0xFFFFFFFF))
                owner = _owner(key, tie, t, v, witness, values, caps,
                               table_key, table_tie, table_column)
                if owner == -1:
                    break
                # The pivot itself goes back: it cancels with the owner's.
                heap_key, heap_tie, entries = _push(
                    key, tie, heap_key, heap_tie, entries)
                if owner == -2:
                    begin, end = 0, 1
                else:
                    begin, end = starts[owner], starts[owner + 1]
                while added + end - begin > column.size:
                    column = _grow(column)
                for place in range(begin, end):
                    edge = t if owner == -2 else pool[place]
                    column[added] = edge
                    added += 1
                    heap_key, heap_tie, entries = _push_coboundary(
                        edge, limit, bound, c, first, second, rank, values,
                        caps, cap_bits, heap_key, heap_tie, entries)
        if key == 0:
            births[bars], deaths[bars], capped[bars] = c, c, True
            bars += 1
            continue
        # The column: c and the edges that were added an odd number of times.
        used = starts[columns]
        while used + added + 1 > pool.size:
            pool = _grow(pool)
        pool[used] = c
        used = _odd_ones(column, added, pool, used + 1)
        starts[columns + 1] = used
        _take(key, tie, columns, table_key, table_tie, table_column)
        columns += 1
        if tie >= 0:
            births[bars], deaths[bars], capped[bars] = c, tie, True
            bars += 1
        elif values[t] > values[c]:
            births[bars], deaths[bars], capped[bars] = c, t, False
            bars += 1
    return births[:bars], deaths[:bars], capped[:bars]


@_jit()
def _smallest_triangle(rank, i, j):
    """(t, v) of the smallest triangle that contains the edge {i, j}.

    For an edge without witness: it is nowhere the youngest.
    """
    row_i, row_j = rank[i], rank[j]
    best = np.int32(2147483647)
    for k in range(rank.shape[0]):
        # The diagonal's rank is above all others.
        best = min(best, max(row_i[k], row_j[k]))
    v = 0
    for k in range(rank.shape[0]):
        if row_i[k] == best:
            v = j
        elif row_j[k] == best:
            v = i
    return np.int64(best), np.int64(v)


@_jit()
def _triangle_key(t, v):
    return (np.uint64(2 * t + 1) << np.uint64(32)) | np.uint64(v)


@_jit()
def _cap_key(position, bits):
    return (np.uint64(2 * position) << np.uint64(32)) | np.uint64(bits)


@_jit()
def _owner(key, tie, t, v, witness, values, caps, table_key, table_tie,
           table_column):
    """The column that has this pivot; -1: none; -2: the edge t itself."""
    if tie < 0 and witness[t] == v and values[t] < caps[t]:
        return -2
    mask = np.uint64(table_key.size - 1)
    place = _hash(key, tie) & mask
    while table_key[place]:
        if table_key[place] == key and table_tie[place] == tie:
            return table_column[place]
        place = (place + np.uint64(1)) & mask
    return -1


@_jit()
def _take(key, tie, column, table_key, table_tie, table_column):
    mask = np.uint64(table_key.size - 1)
    place = _hash(key, tie) & mask
    while table_key[place]:
        place = (place + np.uint64(1)) & mask
    table_key[place], table_tie[place] = key, tie
    table_column[place] = column


@_jit()
def _hash(key, tie):
    mixed = (key + np.uint64(tie + 1)) * np.uint64(0x9E3779B97F4A7C15)
    return mixed >> np.uint64(32)


@_jit()
def _push_coboundary(edge, limit, bound, bound_tie, first, second, rank,
                     values, caps, cap_bits, heap_key, heap_tie, entries):
    """Pushes an edge's relations that come before the cap of the candidate."""
    a, b = first[edge], second[edge]
    row_a, row_b = rank[a], rank[b]
    n = rank.shape[0]
    while entries + n > heap_key.size:
        heap_key, heap_tie = _grow(heap_key), _grow(heap_tie)
    for k in range(n):
        t = max(row_a[k], row_b[k])
        if t >= limit or edge >= limit:
            continue
        if t < edge:
            t, v = edge, k
        elif t == row_a[k]:
            v = b
        else:
            v = a
        entries = _sift_up(_triangle_key(t, v), np.int32(-1), heap_key,
                           heap_tie, entries)
    if edge == bound_tie or caps[edge] > caps[bound_tie]:
        return heap_key, heap_tie, entries
    key = _cap_key(_count_below(values, caps[edge]), cap_bits[edge])
    if key < bound or (key == bound and edge < bound_tie):
        entries = _sift_up(key, np.int32(edge), heap_key, heap_tie, entries)
    return heap_key, heap_tie, entries


@_jit()
def _push(key, tie, heap_key, heap_tie, entries):
    if entries == heap_key.size:
        heap_key, heap_tie = _grow(heap_key), _grow(heap_tie)
    entries = _sift_up(key, tie, heap_key, heap_tie, entries)
    return heap_key, heap_tie, entries


@_jit()
def _sift_up(key, tie, heap_key, heap_tie, entries):
    place = entries
    while place > 0:
        parent = (place - 1) >> 1
        if not (key < heap_key[parent]
                or (key == heap_key[parent] and tie < heap_tie[parent])):
            break
        heap_key[place] = heap_key[parent]
        heap_tie[place] = heap_tie[parent]
        place = parent
    heap_key[place], heap_tie[place] = key, tie
    return entries + 1


@_jit()
def _pop(heap_key, heap_tie, entries):
    """Removes the smallest; returns how many are left."""
    entries -= 1
    key, tie = heap_key[entries], heap_tie[entries]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= entries:
            break
        other = child + 1
        if other < entries and (
                heap_key[other] < heap_key[child]
                or (heap_key[other] == heap_key[child]
                    and heap_tie[other] < heap_tie[child])):
            child = other
        if not (heap_key[child] < key
                or (heap_key[child] == key and heap_tie[child] < tie)):
            break
        heap_key[place] = heap_key[child]
        heap_tie[place] = heap_tie[child]
        place = child
    heap_key[place], heap_tie[place] = key, tie
    return entries


@_jit()
def _pop_pivot(heap_key, heap_tie, entries):
    """The smallest relation that is there an odd number of times; 0: none."""
    while entries > 0:
        key, tie = heap_key[0], heap_tie[0]
        entries = _pop(heap_key, heap_tie, entries)
        odd = True
        while entries > 0 and heap_key[0] == key and heap_tie[0] == tie:
            entries = _pop(heap_key, heap_tie, entries)
            odd = not odd
        if odd:
            return key, tie, entries
    return np.uint64(0), np.int32(-1), entries


@_jit()
def _odd_ones(column, added, pool, used):
    """Appends what is in column[:added] an odd number of times."""
    ordered = np.sort(column[:added])
    place = 0
    while place < added:
        end = place
        while end < added and ordered[end] == ordered[place]:
            end += 1
        if (end - place) & 1:
            pool[used] = ordered[place]
            used += 1
        place = end
    return used


@_jit()
def _grow(array):
    larger = np.empty(2 * array.size, array.dtype)
    larger[:array.size] = array
    return larger


@_jit()
def barcodes(lower, uppers, mask, num_bars, birth_edges, death_edges, capped,
             counts):
    """Barcodes of pairs with one lower matrix, into the four last arrays.

    Args:
      lower: [n, n] float32. uppers: [g, n, n]. mask: [n] bool.
      num_bars: places for each barcode.
      birth_edges, death_edges: [g, num_bars, 2] int32, zero. capped: [g,
        num_bars] bool, False. counts: [g] int32.
    """
    points = np.flatnonzero(mask)
    small = _compress(lower, points)
    first, second, values, rank = order_edges(small)
    witness = first_witnesses(first, second, points.size)
    caps = np.empty(first.size, np.float32)
    for item in range(uppers.shape[0]):
        upper = _compress(uppers[item], points)
        if not check(small, upper):
            counts[item] = -1
            continue
        for r in range(first.size):
            caps[r] = upper[first[r], second[r]]
        births, deaths, ends = reduce(first, second, values, rank, witness,
                                      caps)
        counts[item] = births.size
        length = np.empty(births.size, np.float32)
        for b in range(births.size):
            at = caps[deaths[b]] if ends[b] else values[deaths[b]]
            length[b] = values[births[b]] - at
        order = np.argsort(length, kind='mergesort')
        for place in range(min(num_bars, births.size)):
            b = order[place]
            birth, death = births[b], deaths[b]
            birth_edges[item, place, 0] = points[first[birth]]
            birth_edges[item, place, 1] = points[second[birth]]
            death_edges[item, place, 0] = points[first[death]]
            death_edges[item, place, 1] = points[second[death]]
            capped[item, place] = ends[b]


@_jit()
def _compress(matrix, points):
    """Rows and columns of the points; -0 becomes 0."""
    n = points.size
    small = np.empty((n, n), np.float32)
    for i in range(n):
        row = matrix[points[i]]
        for j in range(n):
            small[i, j] = row[points[j]] + np.float32(0)
    return small
