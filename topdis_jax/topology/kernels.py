"""The compiled part of the persistence engine: see `persistence`.

Notation. `keys[i, j]` is an edge's place in the order of edges, by (lower
value, i, j): the bits of the value (those of floats that are not negative
increase with the float), then the two ends, 16 bits each. An edge's `name` is
the latter alone. A relation is a pair of integers, ordered as such:

    triangle      (key of its youngest edge, the vertex opposite to that edge)
    cap of an edge    (bits of its upper value << 32, name of the edge)

so that a cap comes before the triangles of equal value. Edges are columns:
the coboundary of an edge is its cap and the triangles that contain it. It is
never stored; `_next_triangle` finds its next member by one scan.

The last part, from `handle` on, is the engine as a function that XLA calls.

All of it is one file because Numba's cache of compiled code sees changes in
the file of the function that it keeps, and in no other.
"""

import os

from llvmlite import ir
import numba
from numba import extending
from numba.core import cgutils
import numpy as np

NO_KEY = np.iinfo(np.int64).max
MAX_POINTS = 1 << 15
_NO_SIGN = 0x7FFFFFFF  # -0 counts as 0
_PARTS = 8  # of the vertices; a power of 2 divides quickly
_BLOCK = 16
_TILE = 16

# Whose column has a relation as its pivot, if no reduced one has.
_NOBODY = -1
_OWN_EDGE = -2

_jit = numba.njit(nogil=True)


def barcodes(lower, upper, mask, first, last, birth_edges, death_edges, capped,
             values, counts):
    """Barcodes of the items first .. last - 1, into the five last arrays.

    Consecutive items with the same lower matrix and mask share what depends on
    these alone, and belong to the one that comes first.

    Args:
      lower, upper: [items, n, n] float32. mask: [items, n] bool.
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
                birth_edges[item:end], death_edges[item:end],
                capped[item:end], values[item:end], counts[item:end])


def _read_only(dtype, ndim):
    return numba.types.Array(dtype, ndim, 'C', readonly=True)


SIGNATURE = numba.void(
    _read_only(numba.float32, 3), _read_only(numba.float32, 3),
    _read_only(numba.bool_, 2), numba.int64, numba.int64,
    numba.int32[:, :, ::1], numba.int32[:, :, ::1], numba.bool_[:, ::1],
    numba.float32[:, :, ::1], numba.int32[::1])


@_jit
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


@_jit
def _barcodes_of_one_lower(lower, uppers, points, birth_edges, death_edges,
                           capped, values, counts):
    if points.size < lower.shape[0]:
        lower, uppers = _restrict(lower, uppers, points)
    valid = np.empty(uppers.shape[0], np.bool_)
    for item in range(uppers.shape[0]):
        valid[item] = _is_valid(lower, uppers[item])
    if not valid.any():
        counts[:] = -1
        return
    keys = _edge_keys(lower)
    candidates = _candidates(lower, uppers, keys)
    for item in range(uppers.shape[0]):
        counts[item] = -1
        if valid[item]:
            bars = _reduce(keys, uppers[item], candidates)
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


@_jit
def _is_valid(lower, upper):
    """Whether a pair of matrices has none of the errors of relative_h1."""
    n = lower.shape[0]
    for i in range(n):
        lows, highs = lower[i], upper[i]
        good = np.int32(0)
        for j in range(n):
            # A comparison with NaN is false.
            good += np.int32((lows[j] >= np.float32(0))
                             & (lows[j] <= highs[j])
                             & (highs[j] < np.float32(np.inf)))
        if good < n or highs[i] != 0:
            return False
    return (_is_symmetric(lower.view(np.int32))
            and _is_symmetric(upper.view(np.int32)))


@_jit
def _is_symmetric(bits):
    """By tiles that are transposed first: columns are slow to read."""
    n = bits.shape[0]
    tile = np.empty((_TILE, _TILE), np.int32)
    wrong = np.int32(0)
    whole = n - n % _TILE
    for top in range(0, whole, _TILE):
        for left in range(0, top + 1, _TILE):
            for i in range(_TILE):
                row = bits[left + i]
                for j in range(_TILE):
                    tile[j, i] = row[top + j]
            for i in range(_TILE):
                row = bits[top + i]
                for j in range(_TILE):
                    wrong |= row[left + j] ^ tile[i, j]
    for i in range(whole, n):
        for j in range(i):
            wrong |= bits[i, j] ^ bits[j, i]
    return wrong & _NO_SIGN == 0


@_jit
def _edge_keys(lower):
    n = lower.shape[0]
    bits = lower.view(np.int32)
    keys = np.empty((n, n), np.int64)
    for i in range(n):
        for j in range(n):
            name = (min(i, j) << 16) | max(i, j)
            keys[i, j] = (np.int64(bits[i, j] & _NO_SIGN) << 32) | name
        keys[i, i] = NO_KEY
    return keys


@_jit
def _ends(key):
    return (key >> 16) & 0xFFFF, key & 0xFFFF


@_jit
def _candidates(lower, uppers, keys):
    """Keys of the edges without witness that some pair could have a bar of.

    A witness of an edge is a vertex of which both edges to its ends are
    older. Ascending.
    """
    n = lower.shape[0]
    found = np.empty(4 * n + 16, np.int64)
    size = 0
    is_open = np.empty(n, np.bool_)
    reach = np.empty(n, np.float32)
    for i in range(n - 1):
        if size + n > found.size:
            found = _grow(found)
        _reach(lower, keys, i, reach)
        _open_edges(lower[i], uppers, i, reach, is_open)
        size = _append_candidates(lower, keys, i, is_open, found, size)
    return _sort(found[:size])


@_jit
def _append_candidates(lower, keys, i, is_open, found, size):
    for j in range(i + 1, is_open.size):
        if is_open[j] and not _has_witness(lower, keys, i, j):
            found[size] = keys[i, j]
            size += 1
    return size


@_jit
def _reach(lower, keys, i, reach):
    """min over some neighbours k of i of max(lower[i, k], lower[k, j]).

    An edge {i, j} that is longer than reach[j] has a witness. A few near
    neighbours, the nearest of each part of the vertices, are enough for most
    edges that have one.
    """
    n = reach.size
    reach[:] = np.inf
    for part in range(_PARTS):
        nearest = np.int64(NO_KEY)
        for k in range(part * n // _PARTS, (part + 1) * n // _PARTS):
            nearest = min(nearest, keys[i, k])
        if nearest < NO_KEY:
            a, b = _ends(nearest)
            k = a + b - i
            row, near = lower[k], lower[i, k]
            for j in range(n):
                reach[j] = min(reach[j], max(near, row[j]))


@_jit
def _open_edges(row, uppers, i, reach, is_open):
    """Which edges {i, j} may be candidates. All j: loops over whole rows are
    what the compiler makes the most of."""
    is_open[:] = False
    for item in range(uppers.shape[0]):
        upper = uppers[item, i]
        for j in range(row.size):
            is_open[j] |= (row[j] < upper[j]) & (row[j] <= reach[j])


@_jit
def _has_witness(lower, keys, i, j):
    row_i, row_j = lower[i], lower[j]
    value = row_i[j]
    within = np.int32(0)
    for begin in range(0, row_i.size, 4 * _BLOCK):
        block_i = row_i[begin:begin + 4 * _BLOCK]
        block_j = row_j[begin:begin + 4 * _BLOCK]
        for k in range(block_i.size):
            within += np.int32(max(block_i[k], block_j[k]) <= value)
        if within > 2:  # more than i and j: a witness, or equal values
            return _first_witness(keys, i, j, 0, row_i.size) >= 0
    return False


@_jit
def _first_witness(keys, i, j, begin, end):
    """The first witness of {i, j} among begin .. end - 1, or -1."""
    key = keys[i, j]
    while begin + _BLOCK <= end:
        found = 0
        for k in range(_BLOCK):
            found |= max(keys[i, begin + k], keys[j, begin + k]) < key
        if found:
            break
        begin += _BLOCK
    for k in range(begin, end):
        if max(keys[i, k], keys[j, k]) < key:
            return k
    return -1


@_jit
def _least_above(keys, i, j, floor):
    """min over k of max(keys[i, k], keys[j, k]) where that is above floor."""
    least = np.int64(NO_KEY)
    for k in range(keys.shape[1]):
        key = max(keys[i, k], keys[j, k])
        key = key if key > floor else NO_KEY
        least = min(least, key)
    return least


@_jit
def _opposite(key, i, j):
    """The vertex opposite to the edge `key` in its triangle with {i, j}."""
    a, b = _ends(key)
    return j if a == i or b == i else i


@_jit
def _next_triangle(keys, i, j, key, tie):
    """The smallest triangle of {i, j} above the relation (key, tie).

    {i, j} is not younger than `key`. The key is NO_KEY if there is none.
    """
    if keys[i, j] == key:
        k = _first_witness(keys, i, j, tie + 1, keys.shape[0])
        if k >= 0:
            return key, np.int64(k)
    else:
        v = _same_youngest(keys, i, j, key)
        if v > tie:
            return key, v
    key = _least_above(keys, i, j, key)
    return key, _opposite(key, i, j)


@_jit
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


@_jit
def _reduce(keys, upper, candidates):
    """Bars of one pair, [b, 3]: its relation (key, tie) and its birth's key.

    The candidates are taken from the youngest to the oldest. The coboundary
    of each is reduced until its smallest relation is no other column's.
    """
    bars = np.empty((candidates.size, 3), np.int64)
    num_bars = _reduce_into(
        bars, keys, upper.view(np.int32), candidates, _table(candidates.size),
        np.empty((64, 3), np.int64), np.empty(64, np.int64),
        np.empty(2 * candidates.size + 64, np.int64),
        np.zeros(candidates.size + 1, np.int64))
    return bars[:num_bars]


@_jit
def _reduce_into(bars, keys, bits, candidates, table, heap, column, pool,
                 starts):
    bars, keys, bits = _borrowed(bars), _borrowed(keys), _borrowed(bits)
    heap, column = _borrowed(heap), _borrowed(column)
    pool, starts = _borrowed(pool), _borrowed(starts)
    table = _borrowed(table)
    columns, num_bars = 0, 0
    for place in range(candidates.size - 1, -1, -1):
        birth = candidates[place]
        i, j = _ends(birth)
        name = birth & 0xFFFFFFFF
        cap = _cap(bits, i, j)
        if cap < birth:  # lower == upper: it ends when it is born
            continue
        # No other column has the cap, so that the pivot is at most the cap.
        key, tie = _least_above(keys, i, j, birth), name
        if key >= cap:
            key = cap
        else:
            tie = _opposite(key, i, j)
            owner = _owner(keys, bits, table, key, tie)
            added = 0
            if owner != _NOBODY:
                _sift_up(heap, 0, key, tie, name)
                key, tie, added, heap, column = _reduce_column(
                    keys, bits, table, pool, starts, cap, name, owner, heap,
                    column)
            if key != cap or tie != name:
                _insert(table, key, tie, columns)
                pool = _store(name, column[:added], pool, starts, columns)
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


@_jit
def _cap(bits, i, j):
    return np.int64(bits[i, j] & _NO_SIGN) << 32


@_jit
def _reduce_column(keys, bits, table, pool, starts, cap, name, owner, heap,
                   column):
    """Adds columns until the pivot is nobody's.

    The heap holds the next relation of each edge of the column; its top is
    the pivot at first, which `owner` has. Returns the pivot and the edges
    that were added, column[:added], with the two arrays, which may have grown.
    """
    key, tie = heap[0, 0], heap[0, 1]
    size, added = 1, 0
    while owner != _NOBODY:
        if owner == _OWN_EDGE:
            begin, end = 0, 1
        else:
            begin, end = starts[owner], starts[owner + 1]
        while added + end - begin > column.size:
            column = _grow(column)
        while size + 2 * (end - begin) > heap.shape[0]:
            heap = _grow(heap)
        for place in range(begin, end):
            edge = key & 0xFFFFFFFF if owner == _OWN_EDGE else pool[place]
            column[added] = edge
            added += 1
            size = _add(keys, bits, edge, key, tie, cap, name, heap, size)
        key, tie, size = _next_pivot(keys, key, tie, cap, heap, size)
        if key == NO_KEY:
            return cap, name, added, heap, column
        owner = _owner(keys, bits, table, key, tie)
    return key, tie, added, heap, column


@_jit
def _add(keys, bits, edge, key, tie, cap, name, heap, size):
    """Adds an edge's relations between (key, tie) and the cap of `name`.

    All that is below cancels, and so does (key, tie) itself.
    """
    i, j = _ends(edge)
    next_key, next_tie = _next_triangle(keys, i, j, key, tie)
    if next_key < cap:
        _sift_up(heap, size, next_key, next_tie, edge)
        size += 1
    own = _cap(bits, i, j)
    if _before(key, tie, own, edge) and _before(own, edge, cap, name):
        _sift_up(heap, size, own, edge, edge)
        size += 1
    return size


@_jit
def _next_pivot(keys, key, tie, cap, heap, size):
    """The smallest relation above (key, tie) that is there an odd number of
    times, with the heap's size. Its key is NO_KEY if there is none."""
    size, _ = _advance(keys, key, tie, cap, heap, size)
    while size:
        key, tie = heap[0, 0], heap[0, 1]
        once = True
        for child in range(1, min(size, 3)):
            once &= heap[child, 0] != key or heap[child, 1] != tie
        if once:  # the usual case; mostly nobody's, and no need to go on
            return key, tie, size
        size, times = _advance(keys, key, tie, cap, heap, size)
        if times & 1:
            return key, tie, size
    return np.int64(NO_KEY), tie, size


@_jit
def _advance(keys, key, tie, cap, heap, size):
    """Moves the edges whose next relation is (key, tie) on to the one after.

    Returns the heap's size and how many they were.
    """
    times = 0
    while size and heap[0, 0] == key and heap[0, 1] == tie:
        times += 1
        edge = heap[0, 2]
        next_key, next_tie = np.int64(NO_KEY), np.int64(0)
        if key & 0xFFFFFFFF:  # a cap stands for itself alone
            i, j = _ends(edge)
            next_key, next_tie = _next_triangle(keys, i, j, key, tie)
        if next_key >= cap:
            size -= 1
            next_key, next_tie = heap[size, 0], heap[size, 1]
            edge = heap[size, 2]
        if size:
            _sift_down(heap, size, next_key, next_tie, edge)
    return size, times


@_jit
def _before(key, tie, other_key, other_tie):
    return key < other_key or (key == other_key and tie < other_tie)


@_jit
def _sift_up(heap, place, key, tie, edge):
    while place > 0:
        parent = (place - 1) >> 1
        if not _before(key, tie, heap[parent, 0], heap[parent, 1]):
            break
        for part in range(3):
            heap[place, part] = heap[parent, part]
        place = parent
    heap[place, 0], heap[place, 1], heap[place, 2] = key, tie, edge


@_jit
def _sift_down(heap, size, key, tie, edge):
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
    heap[place, 0], heap[place, 1], heap[place, 2] = key, tie, edge


@_jit
def _table(columns):
    """Open hash table [size, 3] of (key, tie, column); no key is 0."""
    size = 64
    while size < 2 * columns:
        size *= 2
    return np.zeros((size, 3), np.int64)


@_jit
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


@_jit
def _insert(table, key, tie, column):
    place = _find(table, key, tie)
    table[place, 0], table[place, 1], table[place, 2] = key, tie, column


@_jit
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


@_jit
def _store(name, added, pool, starts, columns):
    """Keeps a column: its candidate and what was added an odd number of times.

    Returns the pool of columns, which may have grown.
    """
    used = starts[columns]
    while used + added.size + 1 > pool.size:
        pool = _grow(pool)
    pool[used] = name
    used += 1
    ordered = _sort(added)
    begin = 0
    while begin < ordered.size:
        end = begin
        while end < ordered.size and ordered[end] == ordered[begin]:
            end += 1
        if (end - begin) & 1:
            pool[used] = ordered[begin]
            used += 1
        begin = end
    starts[columns + 1] = used
    return pool


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


@_jit
def _value(key):
    return np.int32(key >> 32).view(np.float32)


@_jit
def _sort(values):
    """Ascending. In its own words: NumPy's takes seconds to compile."""
    values, run = values.copy(), 16
    for begin in range(0, values.size, run):
        _insertion_sort(values, begin, min(begin + run, values.size))
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


@_jit
def _insertion_sort(values, begin, end):
    for place in range(begin + 1, end):
        value = values[place]
        while place > begin and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value


@_jit
def _merge(values, merged, begin, middle, end):
    left, right = begin, middle
    for place in range(begin, end):
        if right == end or (left < middle and values[left] <= values[right]):
            merged[place] = values[left]
            left += 1
        else:
            merged[place] = values[right]
            right += 1


@_jit
def _grow(array):
    """The same with room for twice as many rows."""
    rows = array.shape[0]
    larger = np.empty((2 * rows,) + array.shape[1:], array.dtype)
    larger[:rows] = array
    return larger


# What follows reads and writes XLA's own buffers. XLA calls a C function with
# the address of a call frame, whose binary layout is stable: see
# xla/ffi/api/c_api.h in the folder that jax.ffi.include_dir() names. Places of
# the fields that are needed, in bytes: of XLA_FFI_CallFrame,
_EXTENSION, _API, _STAGE = 8, 16, 32
_NUM_ARGS, _ARGS, _RESULTS = 56, 72, 112
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
    """XLA_FFI_Error* (XLA_FFI_CallFrame*): the barcodes of all items.

    Arguments: lower and upper of each pair, [..., n, n] float32, one mask
    [..., n] bool for all pairs, and [] int32, how many threads may work.
    Results: birth_edges, death_edges [pairs, ..., num_bars, 2] int32, capped
    [pairs, ..., num_bars] bool and counts [pairs, ...] int32, see `barcodes`.
    The error is always null.
    """
    extension = _word(frame + _EXTENSION)
    if extension:  # XLA asks which version of the interface this is made for
        _describe(_word(extension + _METADATA), _word(frame + _API))
    elif _int32(frame + _STAGE, 1)[0] == _EXECUTE:
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
    mask = _read_only_view(_bool(_word(mask + _DATA), (items, n)))
    births, deaths, capped, counts = _results(results, pairs * items)
    values = np.empty((items, 0, 2), np.float32)
    while True:
        unit = _next(task)
        if unit >= pairs * items:
            return
        pair, item = unit // items, unit % items
        lower, upper = _word(args + 16 * pair), _word(args + 16 * pair + 8)
        begin, end = pair * items, (pair + 1) * items
        _barcodes(
            _read_only_view(_float32(_word(lower + _DATA), (items, n, n))),
            _read_only_view(_float32(_word(upper + _DATA), (items, n, n))),
            mask, item, item + 1, births[begin:end], deaths[begin:end],
            capped[begin:end], values, counts[begin:end])


_barcodes = _jit(barcodes)


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


@extending.intrinsic
def _read_only_view(context, array):
    """The same array, of the type that the engine is compiled for anyway."""
    def generate(context, builder, signature, args):
        return numba.core.imputils.impl_ret_borrowed(
            context, builder, signature.return_type, args[0])
    return array.copy(readonly=True)(array), generate
