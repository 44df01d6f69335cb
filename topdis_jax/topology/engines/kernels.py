"""The compiled part of the persistence engine: see `host`.

Notation. `keys[i, j]` is an edge's place in the order of edges, by (lower
value, i, j): the bits of the value (those of floats that are not negative
increase with the float), then the two ends, 16 bits each. An edge's `name` is
the latter alone. A relation is a pair of integers, ordered as such:

    triangle      (key of its youngest edge, the vertex opposite to that edge)
    cap of an edge    (bits of its upper value << 32, name of the edge)

so that a cap comes before the triangles of equal value. Edges are columns:
the coboundary of an edge is its cap and the triangles that contain it. It is
never stored; `_next_triangle` finds its next member by one scan.

There are two ways to a barcode. `_cohomology` reduces columns, and is the
faster one where bars end soon after they begin. Its columns can grow without
a useful bound, so `_homology` takes over once they have cost too much: it
takes the relations in order of their values, as bit sets over the edges that
can give a bar, which costs at most a small multiple of n^3 / 64 on clouds of
points. Both give the same bars, entry by entry.

The last part is the engine as a C function, and what calls it from Python and
from XLA: these find it by its name, as it would be compiled once more where it
is linked in.

All of it is one file because Numba's cache of compiled code sees changes in
the file of the function that it keeps, and in no other.
"""

import functools
import os
import sys
from typing import Any, NamedTuple

from llvmlite import ir
import numba
from numba import extending
from numba.core import cgutils
import numpy as np

NO_KEY = np.iinfo(np.int64).max
MAX_POINTS = 1 << 15
_NO_SIGN = 0x7FFFFFFF  # -0 counts as 0
_PARTS = 8  # of the vertices; see `_open_edges`
_BLOCK = 16
_IN_BUCKET = 8
_TILE = 8  # a power of 2
# Of a block of vertices, from so many vertices on.
_WIDTH, _MANY = 32, 192
_INT32 = ir.IntType(32)
_HAS_LARGE_PAGES = sys.platform == 'linux'
_LARGE_PAGE, _USE_LARGE_PAGES = 1 << 21, 14  # bytes; MADV_HUGEPAGE

# Whose column has a relation as its pivot, if no reduced one has.
_NOBODY = -1
_OWN_EDGE = -2


class _Limits(NamedTuple):
    """What `_cohomology` may do, in moves of an edge to its next triangle.

    Shares of the number of edges, but for the last.

    Attributes:
      all: all columns, at first.
      growth: what is added to that by the eighth power of the share of columns
        that is done, as what is nearly done may take more.
      one: a single column.
      least: at least so many moves of all, and of one.
    """
    all: float
    growth: float
    one: float
    least: float


EFFORT = 1.0  # times these
_LIMITS = _Limits(0.1, 1.0, 0.35, 500.0)
# ... where no bar is capped, as in absolute homology: there columns stay short,
# or else `_homology` is so much faster that every move before it is a loss.
_ABSOLUTE_LIMITS = _Limits(0.1, 0.0, 0.05, 1000.0)
_ABSOLUTE_LIMITS_OF_FEW, _FEW = _Limits(0.1, 0.5, 0.05, 1000.0), 160
# Words of all pivots of `_homology`; more of them do not fit in memory.
_MAX_WORDS = 1 << 27
_ONE = np.uint64(1)
# Codes of edges that are not the sum of two others. Generator g is -2 - g.
_ZERO = -1
# So many points, and their codes no longer fit in a core's cache.
_MANY_CODES = 1024
# A sum that visits more edges is kept as a row of its own.
_LONG_SUM = 128
_LATE = 1 << 31  # comes after caps of equal value; no name has this bit

_jit = numba.njit(nogil=True)
# For what is called in one place: a function of its own is made into machine
# code by itself, and again in each that it is linked into.
_once = numba.njit(nogil=True, inline='always')
# For what neither makes arrays nor returns any: without counts of references,
# which cost more than a step of a search.
_WITHOUT_COUNTS: dict[str, Any] = {'nogil': True, '_nrt': False}
_leaf = numba.njit(**_WITHOUT_COUNTS)
_inlined = numba.njit(forceinline=True, **_WITHOUT_COUNTS)
_advise = numba.types.ExternalFunction(
    'madvise', numba.int32(numba.intp, numba.intp, numba.int32))


@_once
def _barcodes(lower, upper, mask, first, last, effort, stop, birth_edges,
              death_edges, capped, values, counts):
    """Barcodes of the items first .. last - 1, into the five last arrays.

    Consecutive items with the same lower matrix and mask share what depends on
    these alone, and belong to the one that comes first.

    Args:
      lower, upper: [items, n, n] float32. mask: [items, n] bool.
      effort: EFFORT, or another multiple; 0 for `_homology` alone.
      stop: [1] int32; soon after it is not 0 any more, this returns, with
        counts of -1.
      birth_edges, death_edges: [items, num_bars, 2] int32, zero.
      capped: [items, num_bars] bool, False.
      values: [items, num_bars, 2] float32, births and deaths; or with 0 in
        place of num_bars, if they are not wanted.
      counts: [items] int32.
    """
    for item in range(first, last):
        if item == 0 or not _is_alike(lower, mask, item - 1, item):
            end = item + 1
            while end < lower.shape[0] and _is_alike(lower, mask, item, end):
                end += 1
            _barcodes_of_one_lower(
                lower[item], upper[item:end], np.flatnonzero(mask[item]),
                effort, stop, birth_edges[item:end], death_edges[item:end],
                capped[item:end], values[item:end], counts[item:end])


CALL_SIGNATURE = numba.int32(
    numba.float32[:, :, ::1], numba.float32[:, :, ::1], numba.bool_[:, ::1],
    numba.int64, numba.int64, numba.float64,
    numba.int32[::1], numba.int32[:, :, ::1], numba.int32[:, :, ::1],
    numba.bool_[:, ::1], numba.int32[::1])
PAIR_SIGNATURE = (numba.float32[:, ::1], numba.float32[:, ::1], numba.int64,
                  numba.int32[::1])


@_leaf
def _is_alike(lower, mask, item, other):
    n = mask.shape[1]
    bits = lower.view(np.int32)
    for i in range(n):
        differs = np.int32(mask[item, i] != mask[other, i])
        for j in range(n):
            differs |= bits[item, i, j] ^ bits[other, i, j]
        if differs:
            return False
    return True


@_once
def _barcodes_of_one_lower(lower, uppers, points, effort, stop, birth_edges,
                           death_edges, capped, values, counts):
    if points.size < lower.shape[0]:
        lower, uppers = _restrict(lower, uppers, points)
    valid = np.empty(uppers.shape[0], np.bool_)
    for item in range(uppers.shape[0]):
        valid[item] = _is_valid(lower, uppers[item])
    if not valid.any():
        counts[:] = -1
        return
    keys, nearest = _edge_keys(lower)
    candidates = _candidates(lower, uppers, keys, nearest)
    for item in range(uppers.shape[0]):
        counts[item] = -1
        if valid[item]:
            moves, growth, most = _moves(
                effort, candidates, uppers[item].view(np.int32))
            found, bars = _cohomology(keys, uppers[item], candidates, moves,
                                      growth, most, stop)
            if not found:
                bars = _homology(lower, uppers[item], keys, candidates, stop)
            if stop[0]:
                return
            counts[item] = bars.shape[0]
            _write(bars, points, birth_edges[item], death_edges[item],
                   capped[item], values[item])


@_jit
def _restrict(lower, uppers, points):
    """The rows and columns of the points."""
    n, items = points.size, uppers.shape[0]
    small = np.empty((n, n), np.float32)
    smalls = np.empty((items, n, n), np.float32)
    for p in range(n):
        for q in range(n):
            small[p, q] = lower[points[p], points[q]]
            for item in range(items):
                smalls[item, p, q] = uppers[item, points[p], points[q]]
    return small, smalls


@_leaf
def _is_valid(lower, upper):
    """Whether a pair of matrices has none of the errors of relative_h1."""
    n = lower.shape[0]
    for i in range(n):
        lows, highs = lower[i], upper[i]
        good = True
        for j in range(n):
            # A comparison with NaN is false.
            good &= ((lows[j] >= np.float32(0)) & (lows[j] <= highs[j])
                     & (highs[j] < np.float32(np.inf)))
        if not good or highs[i] != 0:
            return False
    return (_is_symmetric(lower.view(np.int32))
            and _is_symmetric(upper.view(np.int32)))


@_leaf
def _is_symmetric(bits):
    """By tiles that are transposed first: columns are slow to read."""
    n = bits.shape[0]
    address, row_bytes = bits.ctypes.data, 4 * n
    wrong = np.int32(0)
    whole = n - n % _TILE
    for top in range(0, whole, _TILE):
        for left in range(0, top + 1, _TILE):
            wrong |= _tile_differs(address + top * row_bytes + 4 * left,
                                   address + left * row_bytes + 4 * top,
                                   row_bytes)
    for i in range(whole, n):
        for j in range(i):
            wrong |= bits[i, j] ^ bits[j, i]
    return wrong & _NO_SIGN == 0


@extending.intrinsic
def _tile_differs(context, first, second, row_bytes):
    """The bits in which a tile differs from the transpose of a second one.

    Tiles are [_TILE, _TILE] int32, given by the addresses of their first
    entries. In vector registers, which the compiler does not find by itself.
    """
    def generate(context, builder, signature, args):
        tile, other = (_load_tile(builder, address, args[2])
                       for address in args[:2])
        differs = None
        for row, other_row in zip(_transposed(builder, tile), other):
            change = builder.xor(row, other_row)
            differs = change if differs is None else builder.or_(differs,
                                                                 change)
        lanes = [builder.extract_element(differs, _INT32(lane))
                 for lane in range(_TILE)]
        return functools.reduce(builder.or_, lanes)
    return numba.int32(numba.intp, numba.intp, numba.intp), generate


def _load_tile(builder, address, row_bytes):
    rows = []
    for _ in range(_TILE):
        row = builder.load(builder.inttoptr(
            address, ir.VectorType(_INT32, _TILE).as_pointer()))
        row.align = 4
        rows.append(row)
        address = builder.add(address, row_bytes)
    return rows


def _transposed(builder, rows):
    """Blocks of 4 x 4, 2 x 2 and 1 x 1 entries change places with those on
    the other side of the diagonal."""
    mask = ir.VectorType(_INT32, _TILE)
    step = _TILE // 2
    while step:
        # Of two rows, `step` apart, taken as one of twice the length.
        upper = [c if not c & step else c - step + _TILE
                 for c in range(_TILE)]
        lower = [c + step for c in upper]
        for r in range(_TILE):
            if not r & step:
                pair = rows[r], rows[r + step]
                rows[r], rows[r + step] = (
                    builder.shuffle_vector(*pair, mask(places))
                    for places in (upper, lower))
        step //= 2
    return rows


@_jit
def _edge_keys(lower):
    """(keys of all edges, nearest [_PARTS, n]: see `_nearest_of_parts`)."""
    n = lower.shape[0]
    keys = np.empty((n, n), np.int64)
    _on_large_pages(keys)
    nearest = np.empty((_PARTS, n), np.int32)
    _keys_of_rows(lower.view(np.int32), keys)
    _nearest_of_parts(lower, nearest, np.empty(n, np.float32))
    return keys, nearest


@_leaf
def _on_large_pages(array):
    """Asks for large pages under an array to which nothing is written yet.

    Else the first touch of each 4 KiB takes longer than what is done with
    them, most of all on virtual machines. NumPy does so with its own arrays.
    """
    if _HAS_LARGE_PAGES:
        begin = (array.ctypes.data + _LARGE_PAGE - 1) & -_LARGE_PAGE
        end = (array.ctypes.data + array.nbytes) & -_LARGE_PAGE
        if end > begin:
            _advise(begin, end - begin, _USE_LARGE_PAGES)


@_leaf
def _keys_of_rows(bits, keys):
    for i in range(bits.shape[0]):
        row, keys_i = bits[i], keys[i]
        for j in range(row.size):
            name = (min(i, j) << 16) | max(i, j)
            keys_i[j] = (np.int64(row[j] & _NO_SIGN) << 32) | name
        keys_i[i] = NO_KEY


@_leaf
def _nearest_of_parts(lower, nearest, least):
    """The nearest neighbor of each vertex, in each part of the vertices.

    Of all vertices at once: a row of the matrix is a column, too.
    """
    n = lower.shape[0]
    for part in range(_PARTS):
        found = nearest[part]
        for i in range(n):
            least[i] = np.inf
            found[i] = i + 1 if i + 1 < n else i - 1  # for parts without any
        for j in range(part * n // _PARTS, (part + 1) * n // _PARTS):
            row, vertex = lower[j], np.int32(j)
            least_j, found_j = least[j], found[j]
            for i in range(n):
                found[i] = vertex if row[i] < least[i] else found[i]
                least[i] = min(row[i], least[i])
            least[j], found[j] = least_j, found_j  # j itself is no neighbor


@_inlined
def _ends(key):
    return (key >> 16) & 0xFFFF, key & 0xFFFF


@_once
def _candidates(lower, uppers, keys, nearest):
    """Keys of the edges without witness that some pair could have a bar of.

    A witness of an edge is a vertex of which both edges to its ends are
    older. Ascending.
    """
    return _sort(_candidates_of_rows(
        lower, uppers, keys, nearest,
        np.empty(4 * lower.shape[0] + 16, np.int64)))


@_jit
def _candidates_of_rows(lower, uppers, keys, nearest, found):
    found, n, size = _borrowed(found), lower.shape[0], 0
    for i in range(n - 1):
        if size + n > found.size:
            found = _grow(found)
        size = _append_candidates(lower, uppers, keys, i, nearest, found, size)
    return found[:size].copy()


@_leaf
def _append_candidates(lower, uppers, keys, i, nearest, found, size):
    n = lower.shape[0]
    for begin in range((i + 1) & ~63, n, 64):
        edges = _open_edges(lower, uppers, i, nearest, begin,
                            min(begin + 64, n))
        edges &= ~np.uint64(0) << np.uint64(max(0, i + 1 - begin))
        while edges:
            j = begin + np.int64(_trailing_zeros(edges))
            edges &= edges - _ONE
            if not _has_witness(lower, keys, i, j):
                found[size] = keys[i, j]
                size += 1
    return size


@_leaf
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
            found |= _ONE << np.uint64(j) if is_open else np.uint64(0)
    return found


@_leaf
def _has_witness(lower, keys, i, j):
    row_i, row_j = lower[i], lower[j]
    value = row_i[j]
    shorter, equal = np.int32(0), np.int32(0)
    for begin in range(0, row_i.size, 4 * _BLOCK):
        block_i = row_i[begin:begin + 4 * _BLOCK]
        block_j = row_j[begin:begin + 4 * _BLOCK]
        for k in range(block_i.size):
            longer = max(block_i[k], block_j[k])
            # The sum of two int32 is int64, of which a register holds half
            # as many.
            shorter = np.int32(shorter + (longer < value))
            equal = np.int32(equal + (longer == value))
        if shorter:
            return True
    # More than i and j: the order of equal values decides.
    return equal > 2 and _first_witness(keys, i, j, 0, row_i.size) >= 0


@_leaf
def _first_witness(keys, i, j, begin, end):
    """The first witness of {i, j} among begin .. end - 1, or -1."""
    key = keys[i, j]
    while begin < end:
        stop = min(begin + 2 * _BLOCK, end)
        row_i, row_j = keys[i, begin:stop], keys[j, begin:stop]
        # A bit of each, as the compiler makes vector operations of that.
        found = np.uint64(0)
        for k in range(row_i.size):
            is_older = max(row_i[k], row_j[k]) < key
            found |= _ONE << np.uint64(k) if is_older else np.uint64(0)
        if found:
            return begin + np.int64(_trailing_zeros(found))
        begin = stop
    return np.int64(-1)


@_leaf
def _least_above(row_i, row_j, floor):
    """min over k of max(row_i[k], row_j[k]) where that is above floor."""
    least = np.int64(NO_KEY)
    for k in range(row_i.size):
        key = max(row_i[k], row_j[k])
        key = key if key > floor else NO_KEY
        least = min(least, key)
    return least


@_leaf
def _least_of_blocks(keys, i, j, floor, minima):
    """`_least_above` of rows i and j, with the search before in mind.

    Args:
      floor: what the search before found, if there was one.
      minima: [blocks of vertices], what each had above the floor before: only
        the block of the floor is searched again. Or 0 first: nothing is
        known.
    """
    first, last = 0, minima.size
    if minima[0]:
        a, b = _ends(floor)
        first = (a + b - (i if a == i or b == i else j)) // _WIDTH
        last = first + 1
    for block in range(first, last):
        begin, end = _WIDTH * block, min(_WIDTH * (block + 1), keys.shape[0])
        minima[block] = _least_above(keys[i, begin:end], keys[j, begin:end],
                                     floor)
    least = np.int64(NO_KEY)
    for block in range(minima.size):
        least = min(least, minima[block])
    return least


@_inlined
def _opposite(key, i, j):
    """The vertex opposite to the edge `key` in its triangle with {i, j}."""
    a, b = _ends(key)
    return j if a == i or b == i else i


@_inlined
def _first_triangle(keys, i, j, key, tie, minima):
    """The smallest triangle of {i, j} above the relation (key, tie).

    {i, j} is not younger than `key`. The key is NO_KEY if there is none.
    minima: see `_least_of_blocks`; of size 0 for few points.
    """
    if keys[i, j] != key:
        v = _same_youngest(keys, i, j, key)
        if v > tie:
            return key, v
    return _next_triangle(keys, i, j, key, tie, minima)


@_inlined
def _next_triangle(keys, i, j, key, tie, minima):
    """The same, where (key, tie) is itself a triangle of {i, j}."""
    if keys[i, j] == key:
        k = _first_witness(keys, i, j, tie + 1, keys.shape[0])
        if k >= 0:
            return key, k
    if minima.size:
        key = _least_of_blocks(keys, i, j, key, minima)
    else:
        key = _least_above(keys[i], keys[j], key)
    return key, _opposite(key, i, j)


@_inlined
def _same_youngest(keys, i, j, key):
    """The vertex opposite to `key` in its triangle with {i, j}, if `key` is
    the youngest there, else -1."""
    a, b = _ends(key)
    at_i, at_j = a == i or b == i, a == j or b == j
    if not (at_i or at_j):
        return np.int64(-1)
    k = a + b - (i if at_i else j)
    if max(keys[i, k], keys[j, k]) != key:
        return np.int64(-1)
    return np.int64(j if at_i else i)


@_once
def _cohomology(keys, upper, candidates, moves, growth, most, stop):
    """(whether they were found, bars of one pair).

    Bars are [b, 3]: the relation that ends it (key, tie) and its birth's key.
    The candidates are taken from the youngest to the oldest. The coboundary
    of each is reduced until its smallest relation is no other column's.
    """
    bars = np.empty((candidates.size, 3), np.int64)
    n = keys.shape[0]
    if _num_words(candidates.size) * candidates.size > _MAX_WORDS:
        moves = most = np.int64(NO_KEY >> 1)  # no other way
    num_bars = _cohomology_into(
        bars, keys, upper.view(np.int32), candidates, _table(candidates.size),
        np.empty((64, 3), np.int64), np.empty(64, np.int64),
        np.empty((64, (n + _WIDTH - 1) // _WIDTH if n >= _MANY else 0),
                 np.int64),
        np.empty(2 * candidates.size + 64, np.int64),
        np.zeros(candidates.size + 1, np.int64), moves, growth, most, stop)
    return num_bars >= 0, bars[:max(num_bars, 0)]


@_jit
def _cohomology_into(bars, keys, bits, candidates, table, heap, column,
                     minima, pool, starts, moves, growth, most, stop):
    """Returns the number of bars, or -1 if it takes more moves.

    Args:
      moves, growth, most: see `_moves`.
    """
    bars, keys, bits = _borrowed(bars), _borrowed(keys), _borrowed(bits)
    heap, column = _borrowed(heap), _borrowed(column)
    pool, starts = _borrowed(pool), _borrowed(starts)
    table, minima = _borrowed(table), _borrowed(minima)
    columns, num_bars, spent = 0, 0, 0
    for place in range(candidates.size - 1, -1, -1):
        birth = candidates[place]
        i, j = _ends(birth)
        name = birth & 0xFFFFFFFF
        cap = _cap(bits, i, j)
        if cap < birth:  # lower == upper: it ends when it is born
            continue
        key, tie, owner = _first_pivot(keys, bits, table, birth, cap)
        column[0], size, heap_size = name, 1, 1
        heap[0, 0], heap[0, 1], heap[0, 2] = key, tie, 0
        _forget(minima, 0)
        done = (candidates.size - 1 - place) / candidates.size
        allowed = left = min(moves + np.int64(growth * done**8) - spent, most)
        while owner != _NOBODY:
            more = _num_edges(starts, owner)
            while size + more > column.size:
                column, minima = _grow(column), _grow(minima)
            while heap_size + 2 * more > heap.shape[0]:
                heap = _grow(heap)
            key, tie, owner, size, heap_size, left = _reduce_column(
                keys, bits, table, pool, starts, cap, key, tie, owner, column,
                size, minima, heap, heap_size, left, stop)
            if left < 0 or stop[0]:
                return -1
        spent += allowed - left
        if key != cap or tie != name:
            while starts[columns] + size > pool.size:
                pool = _grow(pool)
            _insert(table, key, tie, columns)
            _store(column, size, pool, starts, columns)
            columns += 1
        if key >> 32 > birth >> 32:
            bars[num_bars, 0], bars[num_bars, 1] = key, tie
            bars[num_bars, 2] = birth
            num_bars += 1
    return num_bars


@extending.intrinsic
def _borrowed(typingctx, array):
    """The same without a count of references, which costs time in each call.

    For the arguments of a function: the caller keeps these.
    """
    def generate(context, builder, signature, args):
        array_type = signature.args[0]
        struct = cgutils.create_struct_proxy(array_type)(
            context, builder, args[0])
        struct.meminfo = cgutils.get_null_value(struct.meminfo.type)
        return struct._getvalue()

    return array(array), generate


@_inlined
def _cap(bits, i, j):
    return np.int64(bits[i, j] & _NO_SIGN) << 32


@_leaf
def _first_pivot(keys, bits, table, birth, cap):
    """The pivot of a candidate's coboundary, and whose it is.

    No other column has the cap, so that the pivot is at most the cap.
    """
    i, j = _ends(birth)
    key = _least_above(keys[i], keys[j], birth)
    if key >= cap:
        return cap, birth & 0xFFFFFFFF, np.int64(_NOBODY)
    tie = _opposite(key, i, j)
    return key, tie, _owner(keys, bits, table, key, tie)


@_inlined
def _num_edges(starts, owner):
    return 1 if owner == _OWN_EDGE else starts[owner + 1] - starts[owner]


@_inlined
def _forget(minima, place):
    """So that nothing is known of this edge of a column."""
    if minima.shape[1]:
        minima[place, 0] = 0


@_leaf
def _reduce_column(keys, bits, table, pool, starts, cap, key, tie, owner,
                   column, size, minima, heap, heap_size, moves, stop):
    """Adds columns until the pivot is nobody's, or there is no room for one.

    Args:
      key, tie, owner: the pivot, and whose column there is room for.
      column: its edges are column[:size], the candidate first.
      heap: the next relation of each edge, from the pivot on, and the edge's
        place in the column.
      moves: how many it may take.

    Returns:
      (key, tie, owner, size, heap_size, moves); no column comes of a negative
      number of moves.
    """
    name = column[0]
    while owner != _NOBODY and moves >= 0 and not stop[0]:
        more = _num_edges(starts, owner)
        if size + more > column.size or heap_size + 2 * more > heap.shape[0]:
            break
        moves -= more
        for place in range(more):
            column[size] = (key & 0xFFFFFFFF if owner == _OWN_EDGE
                            else pool[starts[owner] + place])
            _forget(minima, size)
            heap_size = _add(keys, bits, column, size, key, tie, cap, minima,
                             heap, heap_size)
            size += 1
        key, tie, heap_size, moves = _next_pivot(
            keys, column, key, tie, cap, minima, heap, heap_size, moves)
        if key == NO_KEY:
            key, tie, owner = cap, name, np.int64(_NOBODY)
        else:
            owner = _owner(keys, bits, table, key, tie)
    return key, tie, owner, size, heap_size, moves


@_inlined
def _add(keys, bits, column, place, key, tie, cap, minima, heap, size):
    """Adds an edge's relations between (key, tie) and the cap of column[0].

    All that is below cancels, and so does (key, tie) itself.
    """
    edge, name = column[place], column[0]
    i, j = _ends(edge)
    next_key, next_tie = _first_triangle(keys, i, j, key, tie, minima[place])
    if next_key < cap:
        _sift_up(heap, size, next_key, next_tie, place)
        size += 1
    own = _cap(bits, i, j)
    if _before(key, tie, own, edge) and _before(own, edge, cap, name):
        _sift_up(heap, size, own, edge, place)
        size += 1
    return size


@_inlined
def _next_pivot(keys, column, key, tie, cap, minima, heap, size, moves):
    """The smallest relation above (key, tie) that is there an odd number of
    times, with the heap's size and the moves left. Its key is NO_KEY if there
    is none."""
    size, times = _advance(keys, column, key, tie, cap, minima, heap, size)
    moves -= times
    while size and moves >= 0:
        key, tie = heap[0, 0], heap[0, 1]
        once = True
        for child in range(1, min(size, 3)):
            once &= heap[child, 0] != key or heap[child, 1] != tie
        if once:  # the usual case; mostly nobody's, and no need to go on
            return key, tie, size, moves
        size, times = _advance(keys, column, key, tie, cap, minima, heap,
                               size)
        moves -= times
        if times & 1:
            return key, tie, size, moves
    return np.int64(NO_KEY), tie, size, moves


@_inlined
def _advance(keys, column, key, tie, cap, minima, heap, size):
    """Moves the edges whose next relation is (key, tie) on to the one after.

    Returns the heap's size and how many they were.
    """
    times = 0
    while size and heap[0, 0] == key and heap[0, 1] == tie:
        times += 1
        place = heap[0, 2]
        next_key, next_tie = np.int64(NO_KEY), np.int64(0)
        if key & 0xFFFFFFFF:  # a cap stands for itself alone
            i, j = _ends(column[place])
            next_key, next_tie = _next_triangle(keys, i, j, key, tie,
                                                minima[place])
        if next_key >= cap:
            size -= 1
            next_key, next_tie = heap[size, 0], heap[size, 1]
            place = heap[size, 2]
        if size:
            _sift_down(heap, size, next_key, next_tie, place)
    return size, times


@_inlined
def _before(key, tie, other_key, other_tie):
    return key < other_key or (key == other_key and tie < other_tie)


@_inlined
def _sift_up(heap, place, key, tie, member):
    while place > 0:
        parent = (place - 1) >> 1
        if not _before(key, tie, heap[parent, 0], heap[parent, 1]):
            break
        for part in range(3):
            heap[place, part] = heap[parent, part]
        place = parent
    heap[place, 0], heap[place, 1], heap[place, 2] = key, tie, member


@_inlined
def _sift_down(heap, size, key, tie, member):
    """Puts an entry in the place of the top."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and _before(heap[child + 1, 0], heap[child + 1, 1],
                                        heap[child, 0], heap[child, 1]):
            child += 1
        if not _before(heap[child, 0], heap[child, 1], key, tie):
            break
        for part in range(3):
            heap[place, part] = heap[child, part]
        place = child
    heap[place, 0], heap[place, 1], heap[place, 2] = key, tie, member


@_jit
def _table(columns):
    """Open hash table [size, 3] of (key, tie, column); no key is 0."""
    size = 64
    while size < 2 * columns:
        size *= 2
    return np.zeros((size, 3), np.int64)


@_leaf
def _find(table, key, tie):
    """The place of a relation, or the free one where it belongs."""
    mixed = (np.uint64(key) + (np.uint64(tie) << np.uint64(17))) \
        * np.uint64(0x9E3779B97F4A7C15)
    last = table.shape[0] - 1
    place = np.int64(mixed >> np.uint64(32)) & last
    while table[place, 0] and not (table[place, 0] == key
                                   and table[place, 1] == tie):
        place = (place + 1) & last
    return place


@_leaf
def _insert(table, key, tie, column):
    place = _find(table, key, tie)
    table[place, 0], table[place, 1], table[place, 2] = key, tie, column


@_leaf
def _owner(keys, bits, table, key, tie):
    """Whose pivot a relation is: a column's, its own edge's or nobody's.

    A triangle is the pivot of its youngest edge if it is the smallest that
    the edge is youngest in, unless the edge's cap comes before.
    """
    if key & 0xFFFFFFFF:
        a, b = _ends(key)
        if _cap(bits, a, b) > key and _first_witness(keys, a, b, 0, tie) < 0:
            return _OWN_EDGE
    place = _find(table, key, tie)
    return table[place, 2] if table[place, 0] else np.int64(_NOBODY)


@_leaf
def _store(column, size, pool, starts, columns):
    """Keeps a column: the edges that are there an odd number of times."""
    used = starts[columns]
    last = used + size
    for place in range(size):
        pool[used + place] = column[place]
    _sort_part(pool, used, last)
    begin = used
    while begin < last:
        end = begin
        while end < last and pool[end] == pool[begin]:
            end += 1
        if (end - begin) & 1:
            pool[used] = pool[begin]
            used += 1
        begin = end
    starts[columns + 1] = used


class _Pivots(NamedTuple):
    """Reduced relations: G generators.

    Attributes:
      rows: [G, words] uint64, the relation of which g is the youngest member.
      dead: [words] uint64, the generators that have one.
      deaths: [G, 2] int64, that relation's (key, tie), -1 if there is none.
    """
    rows: np.ndarray
    dead: np.ndarray
    deaths: np.ndarray


# The second way. Notation: a generator is a candidate with lower < upper, and
# every other edge is zero or, from its birth on, the sum of two older ones: of
# those to a witness. So every relation is a sum of generators, a bit set in
# their order. `codes[i, j]`, i < j, says what an edge is: _ZERO, -2 - g for
# generator g, else the witness. `codes[j, i]` is then 0, as most sums are never
# asked for; once one is (`_settle`), the number of edges that adding it up
# visits, or -1 - r if the sum is row r of `sums`. Of more than _MANY_CODES
# points, even the witness is left out until then: `codes[i, j]` is n.


@_once
def _homology(lower, upper, keys, candidates, stop):
    """Bars of one pair as `_cohomology` has them, youngest birth first.

    Each relation in order of value is added to those before it until its
    youngest generator is theirs no more; if one remains, it ends its bar.

    Only relations that do not follow from earlier ones are looked at. Two
    triangles of which {i, j} is the youngest edge, with witnesses joined by an
    older edge, follow from one another: there is one for each component of
    the graph of witnesses. A cap of {i, j} follows from those of {i, k} and
    {j, k}, if both come before.
    """
    n = keys.shape[0]
    bits = upper.view(np.int32)
    generators = _open_candidates(candidates, bits)
    center, radius = _enclosing_radius(lower.view(np.int32))
    edges, ends = _edges_within(lower.view(np.int32), keys, radius)
    is_closed = _closed_edges(lower.view(np.int32), bits)
    caps, is_needed = _needed_caps(lower, upper, keys, radius)
    size, words = generators.size, _num_words(generators.size)
    deaths = np.full((size, 2), np.int64(-1))
    pivots = _Pivots(np.empty((size, words), np.uint64),
                     np.zeros(words, np.uint64), deaths)
    # Longer edges than the radius have the center as a witness, and as an
    # edge to every other one: they need no place in the order.
    codes = np.empty((n, n), np.int32)
    _on_large_pages(codes)
    codes[:] = 0
    for i in range(n - 1):
        codes[i, i + 1:] = center if n <= _MANY_CODES else n
    sums = _Sums(np.empty((16, words), np.uint64), 0,
                 np.empty(2 * _LONG_SUM + 16, np.int64),
                 np.empty(64, np.int64))
    label, vertex = _scattered(n)
    birth = _Birth(keys, _neighbors_of_none(n), label, vertex, center,
                   np.int64(radius))
    _relations_in_order(edges, ends, caps, is_closed, is_needed, codes, pivots,
                        sums, np.zeros(words, np.uint64), birth,
                        np.empty((2, _num_words(n)), np.uint64),
                        np.empty(n, np.int64), stop)
    return _bars_of(generators, deaths)


@_leaf
def _num_words(members):
    return (members + 63) // 64


@_jit
def _open_candidates(candidates, bits):
    kept = np.empty(candidates.size, np.int64)
    size = 0
    for key in candidates:
        i, j = _ends(key)
        if _cap(bits, i, j) > key:
            kept[size] = key
            size += 1
    return kept[:size]


@_leaf
def _moves(effort, candidates, bits):
    """(moves, growth, most): `_Limits` of a pair, in moves; of all columns, of
    what is added to that, and of a single one."""
    n = bits.shape[0]
    limits = _LIMITS
    if _is_uncapped(candidates, bits):
        limits = _ABSOLUTE_LIMITS_OF_FEW if n <= _FEW else _ABSOLUTE_LIMITS
    edges, least = effort * (n * (n - 1) // 2), effort * limits.least
    return (np.int64(max(limits.all * edges, least)), limits.growth * edges,
            np.int64(max(limits.one * edges, least)))


@_leaf
def _is_uncapped(candidates, bits):
    """Whether all candidates that can give a bar have one upper value.

    So it is in absolute homology, where that is above all distances.
    """
    value = np.int64(-1)
    for key in candidates:
        i, j = _ends(key)
        cap = _cap(bits, i, j)
        if cap > key:
            if value >= 0 and cap >> 32 != value:
                return False
            value = cap >> 32
    return value >= 0


@_jit
def _bars_of(generators, deaths):
    bars = np.empty((generators.size, 3), np.int64)
    size = 0
    for g in range(generators.size - 1, -1, -1):
        if deaths[g, 0] >> 32 > generators[g] >> 32:
            bars[size, 0], bars[size, 1] = deaths[g, 0], deaths[g, 1]
            bars[size, 2] = generators[g]
            size += 1
    return bars[:size]


@_leaf
def _enclosing_radius(bits):
    """(vertex, bits of its largest distance), where that is least."""
    center, radius = 0, np.int32(_NO_SIGN)
    for i in range(bits.shape[0]):
        row = bits[i]
        largest = np.int32(0)
        for j in range(row.size):
            largest = max(largest, row[j] & np.int32(_NO_SIGN))
        if largest < radius:
            center, radius = i, largest
    return center, radius


@_jit
def _edges_within(bits, keys, radius):
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
    _on_large_pages(edges)
    for i in range(n - 1):
        for j in range(i + 1, n):
            if lengths[i, j] <= limit:
                b = _bucket(parts, lengths[i, j] * scale)
                edges[ends[b]] = keys[i, j]
                ends[b] += 1
    return edges, ends


@_jit
def _parts_in_buckets(lengths, limit, scale):
    """(parts, number of buckets) for about _IN_BUCKET edges in each.

    Lengths up to the limit, times scale, are in n parts of length 1. Of how
    many edges a part has, a sample of about 64 rows gives an idea: distances
    in many dimensions are much alike.

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


@_inlined
def _bucket(parts, place):
    """The bucket of a length times scale; never lower for a greater one, as
    sums are rounded in one direction or to the next part's first bucket."""
    part = np.int64(place)
    first, size = parts[part, 0], parts[part, 1]
    # Without a sign, an index is not tried as one from the end.
    return np.uint64(np.int64(first + (place - part) * size))


@_jit
def _closed_edges(lower, upper):
    """[n, words] uint64, bit j of row i: whether {i, j} is zero from its birth.

    Edges come in the order of their values, in which each look into the matrix
    would miss the cache; these sets are small.

    Args: lower, upper: [n, n] int32, bits of the values.
    """
    n = lower.shape[0]
    found = np.empty((n, _num_words(n)), np.uint64)
    _closed_edges_of_rows(lower, upper, found)
    return found


@_leaf
def _closed_edges_of_rows(lower, upper, found):
    for i in range(found.shape[0]):
        for word in range(found.shape[1]):
            begin, end = 64 * word, min(64 * (word + 1), lower.shape[0])
            entries, others = lower[i, begin:end], upper[i, begin:end]
            equal = np.uint64(0)
            for j in range(entries.size):
                is_equal = (entries[j] ^ others[j]) & np.int32(_NO_SIGN) == 0
                equal |= _ONE << np.uint64(j) if is_equal else np.uint64(0)
            found[i, word] = equal


@_jit
def _needed_caps(lower, upper, keys, radius):
    """(caps, is_needed): those that do not follow from earlier ones.

    Args of the result:
      caps: value << 32 | name, ascending, of edges with lower < upper; and of
        edges with lower == upper beyond the radius, with the bit _LATE.
      is_needed: [n, words] uint64, bit j of row i for the other edges with
        lower == upper: zero from their birth on, they relate their two parts.
    """
    n = upper.shape[0]
    is_needed = np.zeros((n, _num_words(n)), np.uint64)
    caps = _needed_caps_of_rows(lower, upper, keys, radius, is_needed,
                                np.empty(4 * n + 16, np.int64),
                                np.empty(n, np.float32))
    return _sort(caps), is_needed


@_jit
def _needed_caps_of_rows(lower, upper, keys, radius, is_needed, caps, reach):
    lower, upper, keys = _borrowed(lower), _borrowed(upper), _borrowed(keys)
    is_needed, caps = _borrowed(is_needed), _borrowed(caps)
    reach = _borrowed(reach)
    n, bits, size = upper.shape[0], upper.view(np.int32), 0
    # From the radius on every edge is the sum of two to the center, and those
    # are zero, too, if edges that are zero connect all points.
    last = np.int32(_NO_SIGN)
    if _is_connected(lower.view(np.int32), bits, radius):
        last = radius
    for i in range(n - 1):
        if size + n > caps.size:
            caps = _grow(caps)
        _reach_in(upper, i, last, reach)
        size = _append_needed_caps(lower, upper, keys, radius, i, last, reach,
                                   is_needed, caps, size)
    return caps[:size].copy()


@_leaf
def _append_needed_caps(lower, upper, keys, radius, i, last, reach, is_needed,
                        caps, size):
    n, bits = upper.shape[0], upper.view(np.int32)
    for begin in range((i + 1) & ~63, n, 64):
        edges = _short_edges(upper[i], last, reach, begin, min(begin + 64, n))
        edges &= ~np.uint64(0) << np.uint64(max(0, i + 1 - begin))
        while edges:
            j = begin + np.int64(_trailing_zeros(edges))
            edges &= edges - _ONE
            cap = _cap(bits, i, j)
            is_closed = cap < keys[i, j]
            if _is_spanned(lower, upper, keys, i, j, is_closed):
                continue
            if is_closed and keys[i, j] >> 32 <= radius:
                is_needed[i, j >> 6] |= _ONE << np.uint64(j & 63)
                continue
            cap |= keys[i, j] & 0xFFFFFFFF
            caps[size] = cap | _LATE if is_closed else cap
            size += 1
    return size


@_inlined
def _short_edges(row, last, reach, begin, end):
    """Which of the edges are neither longer than the reach nor than `last`
    (by their bits): a bit of each."""
    lengths, limits = row[begin:end], reach[begin:end]
    bits, found = lengths.view(np.int32), np.uint64(0)
    for j in range(lengths.size):
        is_short = (lengths[j] <= limits[j]) & (bits[j] <= last)
        found |= _ONE << np.uint64(j) if is_short else np.uint64(0)
    return found


@_jit
def _is_connected(lower, upper, radius):
    """Whether edges with lower == upper within the radius connect all points.

    Args: lower, upper: [n, n] int32, bits of the values.
    """
    n = lower.shape[0]
    queue = np.zeros(n, np.int64)
    left = np.zeros(_num_words(n), np.uint64)
    for j in range(1, n):
        left[j >> 6] |= _ONE << np.uint64(j & 63)
    size = 1
    for place in range(n):
        if place == size:
            return False
        if size == n:
            break
        size = _reach_equal(lower[queue[place]], upper[queue[place]], radius,
                            left, queue, size)
    return True


@_leaf
def _reach_equal(row, other, radius, left, queue, size):
    """Moves vertices that equal entries within the radius lead to from those
    that are left to the queue. Returns its size."""
    for word in range(left.size):
        begin, end = 64 * word, min(64 * (word + 1), row.size)
        entries, others = row[begin:end], other[begin:end]
        found = np.uint64(0)
        for j in range(entries.size):
            leads = (entries[j] == others[j]) & (entries[j] <= radius)
            found |= _ONE << np.uint64(j) if leads else np.uint64(0)
        found &= left[word]
        left[word] ^= found
        while found:
            queue[size] = begin + np.int64(_trailing_zeros(found))
            found &= found - _ONE
            size += 1
    return size


@_leaf
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
    if within <= _PARTS:
        return
    for part in range(_PARTS):
        begin, end = part * n // _PARTS, (part + 1) * n // _PARTS
        near = np.float32(np.inf)
        for k in range(begin, end):
            near = min(near, row[k] if k != i else np.float32(np.inf))
        for k in range(begin, end):
            if row[k] == near and k != i:
                other = upper[k]
                for j in range(n):
                    reach[j] = min(reach[j], max(near, other[j]))
                break


@_leaf
def _is_spanned(lower, upper, keys, i, j, is_closed):
    """Whether the cap of {i, j} follows from those of {i, k} and {j, k}.

    They and the triangle have to come before. A cap with lower == upper stands
    for the triangles of which {i, j} is the youngest edge: so {i, k} and
    {j, k} have to be older, and their caps to come before triangles.
    """
    row_i, row_j, value = upper[i], upper[j], upper[i, j]
    for begin in range(0, row_i.size, 4 * _BLOCK):
        end = min(begin + 4 * _BLOCK, row_i.size)
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
                  and (row_i[k] < value or _name(i, k) < _name(i, j))
                  and (row_j[k] < value or _name(j, k) < _name(i, j))):
                return True
    return False


@_jit
def _relations_in_order(edges, ends, caps, is_closed, is_needed, codes, pivots,
                        sums, relation, birth, sets, witnesses, stop):
    """Writes the relation (key, tie) that ends each generator's bar.

    Args, besides what the first ones are elsewhere:
      relation: [words] uint64, zero.
      sets: [2, words of n bits] uint64, to work with.
      witnesses: room for n.
    """
    edges, caps = _borrowed(edges), _borrowed(caps)
    is_closed, is_needed = _borrowed(is_closed), _borrowed(is_needed)
    codes, relation = _borrowed(codes), _borrowed(relation)
    pivots = _Pivots(_borrowed(pivots.rows), _borrowed(pivots.dead),
                     _borrowed(pivots.deaths))
    sums = _Sums(_borrowed(sums.rows), sums.size, _borrowed(sums.stack),
                 _borrowed(sums.pending))
    birth = _Birth(_borrowed(birth.keys), _borrowed(birth.older),
                   _borrowed(birth.label), _borrowed(birth.vertex),
                   birth.center, birth.radius)
    sets, witnesses = _borrowed(sets), _borrowed(witnesses)
    left, todo = sets[0], sets[1]
    alive, born, cap = pivots.rows.shape[0], 0, 0
    begin = 0
    for end in ends:
        _sort_bucket(edges, begin, end)
        while begin < end:
            if not alive or stop[0]:
                return
            due = caps[cap] >> 32 << 32 if cap < caps.size else NO_KEY
            if edges[begin] >= due:
                ended, sums = _relate_cap(caps[cap], codes, sums, relation,
                                          pivots, birth, stop)
                alive -= ended
                cap += 1
                continue
            begin, born, first, found = _pass_edges(
                edges, begin, end, due, is_closed, is_needed, codes, birth,
                left, todo, witnesses, born, stop)
            for more in range(first, found):
                ended, sums = _relate_triangle(
                    edges[begin - 1], birth.vertex[witnesses[more]], codes,
                    sums, relation, pivots, birth, stop)
                alive -= ended
    while alive and cap < caps.size:
        ended, sums = _relate_cap(caps[cap], codes, sums, relation, pivots,
                                  birth, stop)
        alive -= ended
        cap += 1


@_leaf
def _pass_edges(edges, place, end, due, is_closed, is_needed, codes, birth,
                left, todo, witnesses, born, stop):
    """Goes on from an edge until there are triangles to relate, or to `due`.

    Most edges have none: apart from what relates them, as that has arrays that
    may be replaced, and to count who holds these costs time for every edge.

    Returns (the place of the next edge, born, first, found): to be related are
    the triangles of the edge before with witnesses[first:found].
    """
    older, label, vertex = birth.older, birth.label, birth.vertex
    writes_all = codes.shape[0] <= _MANY_CODES
    while place < end and edges[place] < due and not stop[0]:
        key = edges[place]
        i, j = _ends(key)
        li, lj = label[i], label[j]
        found = _components(older, li, lj, left, todo, witnesses)
        first = 1
        if is_closed[i, j >> 6] >> np.uint64(j & 63) & _ONE:
            codes[i, j] = _ZERO
            needed = is_needed[i, j >> 6] >> np.uint64(j & 63) & _ONE
            first = 0 if found > 1 or needed else found
        elif found == 0:
            codes[i, j] = -2 - born
            born += 1
        elif writes_all:
            codes[i, j] = vertex[witnesses[0]]
        older[li, lj >> 6] |= _ONE << np.uint64(lj & 63)
        older[lj, li >> 6] |= _ONE << np.uint64(li & 63)
        place += 1
        if first < found:
            return place, born, first, found
    return place, born, 0, 0


@_jit
def _sort_bucket(edges, begin, end):
    """Where many distances are alike, there are many edges in a bucket."""
    if end - begin <= 2 * _BLOCK:
        _sort_part(edges, begin, end)
        return
    ordered = _sort(edges[begin:end])
    for place in range(ordered.size):
        edges[begin + place] = ordered[place]


@_jit
def _scattered(n):
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


@_leaf
def _has_common_divisor(a, b):
    while b:
        a, b = b, a % b
    return a > 1


@_inlined
def _components(older, i, j, left, todo, witnesses):
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
    k = (w << 6) + np.int64(_trailing_zeros(ends_i[w] & ends_j[w]))
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
            k = _take_first(todo)
        else:
            k = _take_first(left)
            witnesses[found] = k
            found += 1
        some, more = _reach_from(older[k], left, todo)
    return found


@_inlined
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


class _Birth(NamedTuple):
    """What tells the witness of an edge that was born.

    Attributes:
      keys: [n, n] int64, as everywhere.
      older: [n, words of n bits] uint64, the neighbors of each vertex by the
        edges that were born, and itself, as sets of labels.
      label, vertex: see `_scattered`.
      center, radius: see `_enclosing_radius`.
    """
    keys: np.ndarray
    older: np.ndarray
    label: np.ndarray
    vertex: np.ndarray
    center: int
    radius: int


@_jit
def _neighbors_of_none(n):
    """`older` of a `_Birth` before the first edge."""
    older = np.zeros((n, _num_words(n)), np.uint64)
    for k in range(n):
        older[k, k >> 6] = _ONE << np.uint64(k & 63)
    return older


@_leaf
def _witness(codes, birth, i, j):
    """The witness of an edge, i < j, that is the sum of two; written as its
    code. The one that `_components` found first, when it was born."""
    key, k = birth.keys[i, j], birth.center
    if key >> 32 <= birth.radius:
        k = _first_older(birth.keys, birth.older[birth.label[i]],
                         birth.older[birth.label[j]], birth.vertex, i, j)
    codes[i, j] = k
    return np.int64(k)


@_leaf
def _first_older(keys, ends_i, ends_j, vertex, i, j):
    for w in range(ends_i.size):
        both = ends_i[w] & ends_j[w]
        while both:
            k = vertex[(w << 6) + np.int64(_trailing_zeros(both))]
            if max(keys[i, k], keys[j, k]) < keys[i, j]:
                return k
            both &= both - _ONE
    return np.int64(-1)  # does not occur


class _Sums(NamedTuple):
    """Sums of generators, with what is needed to add them up.

    Attributes:
      rows: [room, words] uint64, of which `size` are in use.
      stack: room for the edges that one sum visits.
      pending: room for the edges that wait to be settled.
    """
    rows: np.ndarray
    size: int
    stack: np.ndarray
    pending: np.ndarray


@_inlined
def _is_settled(codes, i, j):
    """Asked before `_settle` is called, as most are and the call costs more."""
    return codes[min(i, j), max(i, j)] < 0 or codes[max(i, j), min(i, j)] != 0


@_jit
def _settle(codes, sums, relation, birth, i, j, stop):
    """Settles an edge, after those that it is the sum of. Returns the sums."""
    rows, size, stack, pending = sums
    pending[0] = _name(i, j)
    waiting = 1
    while waiting and not stop[0]:
        i, j = _ends(pending[waiting - 1])
        if _is_settled(codes, i, j):
            waiting -= 1
            continue
        k = np.int64(codes[i, j])
        if k == codes.shape[0]:
            k = _witness(codes, birth, i, j)
        if waiting + 2 > pending.size:
            pending = _grow(pending)
        before = waiting
        for end in (i, j):
            if not _is_settled(codes, end, k):
                pending[waiting] = _name(end, k)
                waiting += 1
        if waiting > before:
            continue
        waiting -= 1
        terms = 1 + _num_terms(codes, i, k) + _num_terms(codes, j, k)
        if terms <= _LONG_SUM:
            codes[j, i] = terms
            continue
        if size == rows.shape[0]:
            rows = _grow(rows)
        _add_edge(codes, rows, stack, relation, i, k)
        _add_edge(codes, rows, stack, relation, j, k)
        for w in range(relation.size):
            rows[size, w] = relation[w]
        relation[:] = 0
        codes[j, i] = -1 - size
        size += 1
    return _Sums(rows, size, stack, pending)


@_leaf
def _num_terms(codes, i, j):
    i, j = min(i, j), max(i, j)
    if codes[i, j] < 0:
        return np.int32(codes[i, j] != _ZERO)
    return codes[j, i] if codes[j, i] > 0 else np.int32(1)


@_leaf
def _add_edge(codes, sums, stack, relation, i, j):
    """Adds the generators of an edge to the relation."""
    stack[0] = _name(i, j)
    size = 1
    while size:
        size -= 1
        i, j = _ends(stack[size])
        code = np.int64(codes[i, j])
        if code < _ZERO:
            g = -2 - code
            relation[g >> 6] ^= _ONE << np.uint64(g & 63)
        elif code >= 0 and codes[j, i] < 0:
            row = sums[-1 - codes[j, i]]
            for w in range(relation.size):
                relation[w] ^= row[w]
        elif code >= 0:
            stack[size], stack[size + 1] = _name(i, code), _name(j, code)
            size += 2


@_leaf
def _name(i, j):
    return (min(i, j) << 16) | max(i, j)


@_jit
def _relate_triangle(key, k, codes, sums, relation, pivots, birth, stop):
    i, j = _ends(key)
    for a, b in ((i, j), (i, k), (j, k)):
        if not _is_settled(codes, a, b):
            sums = _settle(codes, sums, relation, birth, a, b, stop)
    if stop[0]:  # sums that are not settled have no bound
        return 0, sums
    for a, b in ((i, j), (i, k), (j, k)):
        _add_edge(codes, sums.rows, sums.stack, relation, a, b)
    return _end_bar(relation, pivots, key, k), sums


@_jit
def _relate_cap(cap, codes, sums, relation, pivots, birth, stop):
    i, j = _ends(cap & ~np.int64(_LATE))
    if not _is_settled(codes, i, j):
        sums = _settle(codes, sums, relation, birth, i, j, stop)
    if stop[0]:
        return 0, sums
    _add_edge(codes, sums.rows, sums.stack, relation, i, j)
    key, tie = cap >> 32 << 32, cap & 0xFFFFFFFF
    if cap & _LATE:  # an edge that is zero, and whose parts are thus related
        key, tie = cap & ~np.int64(_LATE), np.int64(codes[i, j])
    return _end_bar(relation, pivots, key, tie), sums


@_leaf
def _end_bar(relation, pivots, key, tie):
    """Reduces a relation and clears it. Returns how many bars it ends, 0 or 1.

    A pivot that is used is first brought up to date itself, and kept so: else
    the same replacements would be made again and again.
    """
    rows, dead, deaths = pivots
    for w in range(relation.size - 1, -1, -1):
        members = relation[w] & dead[w]
        while members:
            g = _last_member(members, w)
            _replace_dead(rows, dead, g)
            _add_row(relation, rows, g)
            members = relation[w] & dead[w]
    for w in range(relation.size - 1, -1, -1):
        if relation[w]:
            g = _last_member(relation[w], w)
            deaths[g, 0], deaths[g, 1] = key, tie
            for v in range(w + 1):
                rows[g, v] = relation[v]
                relation[v] = 0
            dead[w] |= _ONE << np.uint64(g & 63)
            return 1
    return 0


@_leaf
def _replace_dead(rows, dead, g):
    """Replaces what has died since by what it equals, in the pivot of g."""
    row = rows[g]
    below = (_ONE << np.uint64(g & 63)) - _ONE
    for w in range(g >> 6, -1, -1):
        members = row[w] & dead[w] & below
        while members:
            other = _last_member(members, w)
            _add_row(row, rows, other)
            members = row[w] & dead[w] & below
        below = ~np.uint64(0)


@_leaf
def _add_row(row, rows, g):
    for w in range((g >> 6) + 1):
        row[w] ^= rows[g, w]


@_leaf
def _last_member(word, w):
    return (w << 6) + 63 - np.int64(_leading_zeros(word))


def _zeros_of_word(instruction):
    @extending.intrinsic
    def count(context, word):
        def generate(context, builder, signature, args):
            is_not_zero = context.get_constant(numba.types.boolean, True)
            return getattr(builder, instruction)(args[0], is_not_zero)
        return numba.types.uint64(numba.types.uint64), generate
    return count


_leading_zeros = _zeros_of_word('ctlz')
_trailing_zeros = _zeros_of_word('cttz')


@_leaf
def _take_first(words):
    """Removes the first member of a set that is not empty, and returns it."""
    w = 0
    while words[w] == 0:
        w += 1
    k = (w << 6) + np.int64(_trailing_zeros(words[w]))
    words[w] &= words[w] - _ONE
    return k


# Both ways end here.


@_jit
def _write(bars, points, birth_edges, death_edges, capped, values):
    """The longest bars, as many as there are places."""
    order = np.empty(bars.shape[0], np.int64)
    length = np.empty(1, np.float32)
    for b in range(order.size):
        length[0] = _value(bars[b, 0]) - _value(bars[b, 2])
        # Longest first, then the oldest, which is the last.
        order[b] = ((_NO_SIGN - np.int64(length.view(np.int32)[0])) << 32
                    | (order.size - b))
    order = _sort(order)
    for place in range(min(capped.size, order.size)):
        b = order.size - (order[place] & 0xFFFFFFFF)
        key, tie, birth = bars[b, 0], bars[b, 1], bars[b, 2]
        capped[place] = key & 0xFFFFFFFF == 0
        i, j = _ends(birth)
        birth_edges[place, 0], birth_edges[place, 1] = points[i], points[j]
        i, j = _ends(tie if capped[place] else key)
        death_edges[place, 0], death_edges[place, 1] = points[i], points[j]
        if values.shape[0]:
            values[place, 0], values[place, 1] = _value(birth), _value(key)


@_leaf
def _value(key):
    return np.int32(key >> 32).view(np.float32)


@_jit
def _sort(values):
    """Ascending. In its own words: NumPy's takes seconds to compile."""
    values, run = values.copy(), _BLOCK
    for begin in range(0, values.size, run):
        _sort_part(values, begin, min(begin + run, values.size))
    if values.size <= run:
        return values
    spare = np.empty_like(values)
    while run < values.size:
        for begin in range(0, values.size, 2 * run):
            _merge(values, spare, begin, min(begin + run, values.size),
                   min(begin + 2 * run, values.size))
        values, spare = spare, values
        run *= 2
    return values


@_leaf
def _sort_part(values, begin, end):
    """Ascending, in its place, for what is mostly short: by insertion, where
    what comes first is no branch, as that could go either way."""
    if end - begin > 2 * _BLOCK:
        _sort_long_part(values, begin, end)
        return
    for last in range(begin + 1, end):
        value = values[last]
        for place in range(begin, last):
            other = values[place]
            values[place] = min(other, value)
            value = max(other, value)
        values[last] = value


@_leaf
def _sort_long_part(values, begin, end):
    """Shell's sort."""
    gap = 1
    while 9 * gap < end - begin:
        gap = 3 * gap + 1
    while gap:
        for place in range(begin + gap, end):
            value = values[place]
            while place >= begin + gap and values[place - gap] > value:
                values[place] = values[place - gap]
                place -= gap
            values[place] = value
        gap //= 3


@_leaf
def _merge(values, merged, begin, middle, end):
    """Two ascending runs become one. Which one is next is not a branch, as
    that could go either way."""
    left, right, place = begin, middle, begin
    while left < middle and right < end:
        is_left = np.int64(values[left] < values[right])
        merged[place] = min(values[left], values[right])
        left, right, place = left + is_left, right + 1 - is_left, place + 1
    while left < middle:
        merged[place] = values[left]
        left, place = left + 1, place + 1
    while right < end:
        merged[place] = values[right]
        right, place = right + 1, place + 1


@_jit
def _grow(array):
    """The same with room for twice as many rows."""
    rows = array.shape[0]
    larger = np.empty((2 * rows,) + array.shape[1:], array.dtype)
    # One by one: Numba's assignment of slices brings all of its strings along,
    # for a message, and seconds of compilation.
    for place in range(array.size):
        larger.flat[place] = array.flat[place]
    return larger


def engine(lower, upper, mask, items, n, first, last, effort, stop,
           birth_edges, death_edges, capped, num_bars, values, num_values,
           counts):
    """`_barcodes` of arrays that lie at these addresses. Returns 1.

    num_values: num_bars, or 0 if values are not wanted. 0 is returned if it
    could not end, as memory does not suffice.
    """
    _barcodes(
        _float32(lower, (items, n, n)), _float32(upper, (items, n, n)),
        _bool(mask, (items, n)), first, last, effort,
        _int32(stop, 1), _int32(birth_edges, (items, num_bars, 2)),
        _int32(death_edges, (items, num_bars, 2)),
        _bool(capped, (items, num_bars)),
        _float32(values, (items, num_values, 2)), _int32(counts, items))
    return 1


def call(lower, upper, mask, first, last, effort, stop, birth_edges,
         death_edges, capped, counts):
    """`engine` of these arrays, without values."""
    items, n = mask.shape
    return _engine(
        lower.ctypes.data, upper.ctypes.data, mask.ctypes.data, items, n,
        first, last, effort, stop.ctypes.data, birth_edges.ctypes.data,
        death_edges.ctypes.data, capped.ctypes.data, capped.shape[1], 0, 0,
        counts.ctypes.data)


def bars_of_pair(lower, upper, places, stop):
    """(what `engine` returns, count, and the parts of host.Bars) of one pair.

    Args: lower, upper: [n, n] float32. places: for so many bars at most.
    """
    n = lower.shape[0]
    mask = np.ones(n, np.bool_)
    edges = np.empty((2, places, 2), np.int32)
    capped = np.empty(places, np.bool_)
    values = np.empty((places, 2), np.float32)
    counts = np.empty(1, np.int32)
    done = _engine(
        lower.ctypes.data, upper.ctypes.data, mask.ctypes.data, 1, n, 0, 1,
        EFFORT, stop.ctypes.data, edges[0].ctypes.data, edges[1].ctypes.data,
        capped.ctypes.data, places, values.ctypes.data, places,
        counts.ctypes.data)
    count = np.int64(counts[0])
    size = max(0, min(count, places))
    return (done, count, values[:size, 0], values[:size, 1],
            edges[0, :size], edges[1, :size], capped[:size])


@_leaf
def _spanning_tree(dist, mask, edges, weights, reach, closed, parent):
    """A minimum spanning tree by Prim's algorithm, into `edges` and `weights`.

    Step by step what `topology.trees` does in JAX, so that of equal edges both
    take the same ones.

    Args:
      dist: [n, n] float32. mask: [n] bool.
      edges: [n - 1, 2] int32, zero; ascending by weight and ends, in the end.
      weights: [n - 1] float32. reach, closed: [n] float32. parent: [n] int32.
    """
    dist, edges = _borrowed(dist), _borrowed(edges)
    weights, reach = _borrowed(weights), _borrowed(reach)
    closed, parent = _borrowed(closed), _borrowed(parent)
    n, size, new = mask.size, 0, 0
    while new < n - 1 and not mask[new]:
        new += 1
    for j in range(n):
        reach[j], parent[j] = np.inf, new
        closed[j] = np.float32(0 if mask[j] and j != new else np.inf)
    while size < n - 1:
        row, vertex, weight = dist[new], np.int32(new), np.float32(np.inf)
        for j in range(n):
            value = max(row[j], closed[j])
            parent[j] = vertex if value < reach[j] else parent[j]
            reach[j] = max(min(value, reach[j]), closed[j])
            weight = min(weight, reach[j])
        if not weight < np.inf:
            return
        new = 0
        while reach[new] != weight:
            new += 1
        closed[new] = reach[new] = np.inf
        _insert_edge(edges, weights, size, parent[new], new, weight)
        size += 1


@_leaf
def _insert_edge(edges, weights, size, i, j, weight):
    """Puts an edge where it belongs among the `size` before."""
    low, high = min(i, j), max(i, j)
    place, name = size, _name(low, high)
    while place and (weights[place - 1] > weight or (
            weights[place - 1] == weight
            and _name(edges[place - 1, 0], edges[place - 1, 1]) > name)):
        weights[place] = weights[place - 1]
        edges[place, 0] = edges[place - 1, 0]
        edges[place, 1] = edges[place - 1, 1]
        place -= 1
    weights[place] = weight
    edges[place, 0], edges[place, 1] = low, high


@_leaf
def _upper_of_tree(dist, edges, upper):
    """See `trees.tree_and_upper`. Returns the number of positive weights."""
    n, largest, count = dist.shape[0], np.float32(0), 0
    for i in range(n):
        row = dist[i]
        for j in range(n):
            largest = max(largest, row[j])
    above = max(largest, min(largest, np.float32(1e38)) * np.float32(2)
                + np.float32(1))
    for i in range(n):
        row = upper[i]
        for j in range(n):
            row[j] = above
        row[i] = 0
    for place in range(edges.shape[0]):
        i, j = edges[place, 0], edges[place, 1]
        if i != j:  # in a place in use
            upper[i, j], upper[j, i] = dist[i, j], dist[j, i]
            count += dist[i, j] > 0
    return count


ENGINE_NAME = 'topdis_jax_engine'
ENGINE_SIGNATURE = numba.int32(
    *[numba.intp] * 7, numba.float64, *[numba.intp] * 8)
_engine = numba.types.ExternalFunction(ENGINE_NAME, ENGINE_SIGNATURE)


# What follows reads and writes XLA's own buffers. XLA calls a C function with
# the address of a call frame, whose binary layout is stable: see
# xla/ffi/api/c_api.h in the folder that jax.ffi.include_dir() names. Places of
# the fields that are needed, in bytes: of XLA_FFI_CallFrame,
_EXTENSION, _API, _STAGE = 8, 16, 32
_NUM_ARGS, _ARGS, _NUM_RESULTS, _RESULTS = 56, 72, 96, 112
# of XLA_FFI_Buffer,
_DATA, _RANK, _SIZES = 24, 32, 40
# of XLA_FFI_Metadata_Extension, of XLA_FFI_Metadata (the version, which the
# traits follow), and of XLA_FFI_Api.
_METADATA, _VERSION, _API_VERSION = 24, 24, 32
_EXECUTE = 3  # a stage

HANDLER_SIGNATURE = numba.types.intp(numba.types.intp)
# Points from which on a thread costs less than it saves.
_THREAD_POINTS = 192


def handle(frame):
    """XLA_FFI_Error* (XLA_FFI_CallFrame*): barcodes or trees of all items.

    Of two arguments, distances [..., n, n] float32 and a mask [..., n] bool,
    the edges [..., n - 1, 2] int32 of spanning trees, see `_spanning_tree`,
    and, if these are not all results, the others of `trees.tree_and_upper`.
    Else barcodes. Arguments: lower and upper of each pair, [..., n, n] float32,
    one mask [..., n] bool for all pairs, and [] int32, how many threads may
    work. Results: birth_edges, death_edges [pairs, ..., num_bars, 2] int32,
    capped [pairs, ..., num_bars] bool and counts [pairs, ...] int32, see
    `_barcodes`. The error is always null.
    """
    extension = _word(frame + _EXTENSION)
    if extension:  # XLA asks which version of the interface this is made for
        _describe(_word(extension + _METADATA), _word(frame + _API))
    elif _int32(frame + _STAGE, 1)[0] == _EXECUTE:
        if _word(frame + _NUM_ARGS) == 2:
            _execute_trees(frame)
        else:
            _execute(frame)
    return 0


def _array_at(dtype):
    """A compiled function (address, shape) -> the array that lies there."""
    @extending.intrinsic
    def pointer(context, address):
        def generate(context, builder, signature, args):
            return builder.inttoptr(
                args[0], context.get_value_type(signature.return_type))
        return numba.types.CPointer(dtype)(numba.types.intp), generate

    return _jit(lambda address, shape: numba.carray(pointer(address), shape))


_int32, _int64 = _array_at(numba.int32), _array_at(numba.int64)
_float32, _bool = _array_at(numba.float32), _array_at(numba.bool_)


@_jit
def _word(address):
    return _int64(address, 1)[0]


@_jit
def _describe(metadata, api):
    """Says: this very version, and no special traits.

    The fields above are where they are in all versions 0.x, and XLA refuses
    another major version than its own.
    """
    version = _int32(metadata + _VERSION, 3)
    version[0], version[1] = 0, _int32(api + _API_VERSION, 2)[1]
    version[2] = 0


@_jit
def _execute(frame):
    args, results = _word(frame + _ARGS), _word(frame + _RESULTS)
    pairs = (_word(frame + _NUM_ARGS) - 2) // 2
    items, n = _shape(_word(args + 16 * pairs))
    births, deaths, capped, counts = _results(results, pairs * items)
    counts[:] = -1  # stays so if memory does not suffice
    births[:], deaths[:], capped[:] = 0, 0, False
    threads = 1
    if n >= _THREAD_POINTS:
        threads = _int32(_word(_word(args + 16 * pairs + 8) + _DATA), 1)[0]
    _share_out(frame, pairs * items, threads)


@_jit
def _execute_trees(frame):
    args, results = _word(frame + _ARGS), _word(frame + _RESULTS)
    items, n = _shape(_word(args + 8))
    dist = _float32(_word(_word(args) + _DATA), (items, n, n))
    mask = _bool(_word(_word(args + 8) + _DATA), (items, n))
    edges = _int32(_word(_word(results) + _DATA), (items, n - 1, 2))
    edges[:] = 0
    is_all = _word(frame + _NUM_RESULTS) == 1
    weights, reach, closed = np.empty((3, n), np.float32)
    parent = np.empty(n, np.int32)
    for item in range(items):
        _spanning_tree(dist[item], mask[item], edges[item], weights, reach,
                       closed, parent)
        if not is_all:
            upper = _word(_word(results + 8) + _DATA) + 4 * item * n * n
            count = _word(_word(results + 16) + _DATA) + 4 * item
            _int32(count, 1)[0] = _upper_of_tree(
                dist[item], edges[item], _float32(upper, (n, n)))


@_jit
def _results(results, items):
    """The results as arrays with one dimension for pairs and items."""
    births, deaths = _word(results), _word(results + 8)
    capped, counts = _word(results + 16), _word(results + 24)
    num_bars = _shape(capped)[1]
    return (_int32(_word(births + _DATA), (items, num_bars, 2)),
            _int32(_word(deaths + _DATA), (items, num_bars, 2)),
            _bool(_word(capped + _DATA), (items, num_bars)),
            _int32(_word(counts + _DATA), items))


@_jit
def _share_out(frame, units, threads):
    """All items of all pairs, by this thread and others that it waits for.

    The threads are its own: XLA's may all be busy with handlers that wait.
    """
    task = np.array([0, frame])  # the next unit
    address, entry = task.ctypes.data, _entry()
    helpers = np.empty(max(0, min(threads, units) - 1), np.int64)
    started = 0
    while started < helpers.size and _start(
            helpers.ctypes.data + 8 * started, 0, entry, address) == 0:
        started += 1
    _enter(entry, address)
    for helper in helpers[:started]:
        _join(helper, 0)
    return task[0]  # keeps the task until here


def _work(task):
    """Takes items, each of one pair, until there are no more."""
    frame = _word(task + 8)
    args, results = _word(frame + _ARGS), _word(frame + _RESULTS)
    pairs = (_word(frame + _NUM_ARGS) - 2) // 2
    mask = _word(args + 16 * pairs)
    items, n = _shape(mask)
    births, deaths, capped, counts = _results(results, pairs * items)
    stop = np.zeros(1, np.int32)
    while True:
        unit = _next(task)
        if unit >= pairs * items:
            return
        pair, item = unit // items, unit % items
        lower, upper = _word(args + 16 * pair), _word(args + 16 * pair + 8)
        begin, end = pair * items, (pair + 1) * items
        _engine(_word(lower + _DATA), _word(upper + _DATA),
                _word(mask + _DATA), items, n, item, item + 1, EFFORT,
                stop.ctypes.data, births[begin:end].ctypes.data,
                deaths[begin:end].ctypes.data, capped[begin:end].ctypes.data,
                capped.shape[1], 0, 0, counts[begin:end].ctypes.data)


@extending.intrinsic
def _next(context, address):
    """Fetches and increments the integer there, of all threads as one."""
    def generate(context, builder, signature, args):
        word = ir.IntType(64)
        return builder.atomic_rmw(
            'add', builder.inttoptr(args[0], word.as_pointer()), word(1),
            'seq_cst')
    return numba.int64(numba.intp), generate


@extending.intrinsic
def _entry(context):
    """The address of _work as pthread_create calls it: void* (*)(void*)."""
    def generate(context, builder, signature, args):
        pointer, work = ir.IntType(8).as_pointer(), numba.void(numba.intp)
        entry = ir.Function(builder.module, ir.FunctionType(
            pointer, [pointer]), builder.module.get_unique_name('entry'))
        entry.linkage = 'internal'
        entry.attributes.add('noinline')  # one copy takes less time to compile
        inside = ir.IRBuilder(entry.append_basic_block())
        compiled = context.compile_subroutine(inside, _work, work)
        # An error has no one to go to. Counts of -1 remain.
        context.call_internal_no_propagate(
            inside, compiled.fndesc, work,
            [inside.ptrtoint(entry.args[0], ir.IntType(64))])
        inside.ret(pointer(None))
        return builder.ptrtoint(entry, ir.IntType(64))
    return numba.intp(), generate


@extending.intrinsic
def _enter(context, entry, task):
    """Calls what lies at the address that _entry gives."""
    def generate(context, builder, signature, args):
        pointer = ir.IntType(8).as_pointer()
        entry = builder.inttoptr(
            args[0], ir.FunctionType(pointer, [pointer]).as_pointer())
        builder.call(entry, [builder.inttoptr(args[1], pointer)])
        return context.get_dummy_value()
    return numba.void(numba.intp, numba.intp), generate


if os.name == 'posix':
    _start = numba.types.ExternalFunction('pthread_create', numba.int32(
        numba.intp, numba.intp, numba.intp, numba.intp))
    _join = numba.types.ExternalFunction('pthread_join', numba.int32(
        numba.intp, numba.intp))
else:
    _start = _jit(lambda thread, attributes, entry, task: 1)  # not started
    _join = _jit(lambda thread, result: 0)


@_jit
def _shape(buffer):
    """(product of all sizes but the last, last size)."""
    sizes = _int64(_word(buffer + _SIZES), _word(buffer + _RANK))
    product = 1
    for size in sizes[:-1]:
        product *= size
    return product, sizes[-1]
