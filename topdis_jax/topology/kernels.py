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
"""

import numba
import numpy as np

NO_KEY = np.iinfo(np.int64).max
MAX_POINTS = 1 << 15
_NO_SIGN = 0x7FFFFFFF  # -0 counts as 0
# What decides whether an edge has a witness is looked up in this order: a few
# nearest neighbours of one end, all edges of that end at once; then the rest.
_NEIGHBOURS = 6
_BLOCK = 32

# Whose column has a relation as its pivot, if no reduced one has.
_NOBODY = -1
_OWN_EDGE = -2

_jit = numba.njit(nogil=True)


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
            _write(bars, min(num_bars, bars.shape[0]), points,
                   birth_edges[item], death_edges[item], capped[item])


_array = numba.types.Array
SIGNATURE = numba.void(
    _array(numba.float32, 2, 'C', readonly=True),
    _array(numba.float32, 3, 'C', readonly=True),
    _array(numba.bool_, 1, 'C', readonly=True),
    numba.int64,
    numba.int32[:, :, ::1], numba.int32[:, :, ::1], numba.bool_[:, ::1],
    numba.int32[::1])


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
        if lower[i, i] != 0 or upper[i, i] != 0:
            return False
        wrong = 0
        for j in range(n):
            low, high = lower[i, j], upper[i, j]
            # A comparison with NaN is false.
            wrong |= not ((low >= 0) & (low <= high) & (high < np.inf))
        if wrong:
            return False
    # By tiles: columns of a large matrix are slow to read.
    for top in range(0, n, _BLOCK):
        for left in range(0, top + 1, _BLOCK):
            wrong = 0
            for i in range(top, min(top + _BLOCK, n)):
                for j in range(left, min(left + _BLOCK, n)):
                    wrong |= ((lower[i, j] != lower[j, i])
                              | (upper[i, j] != upper[j, i]))
            if wrong:
                return False
    return True


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
    open_ = np.empty(n, np.bool_)
    for i in range(n - 1):
        _open_edges(lower, uppers, keys, i, open_)
        for j in range(i + 1, n):
            if open_[j] and not _has_witness(keys, i, j, n):
                if size == found.size:
                    found = _grow(found)
                found[size] = keys[i, j]
                size += 1
    return _sort(found[:size])


@_jit
def _open_edges(lower, uppers, keys, i, open_):
    """Which edges {i, j}, j > i, have a bar unless they have a witness.

    Witnesses among the nearest neighbours of i are already looked for here,
    those that are strictly closer: most edges have one.
    """
    n = lower.shape[0]
    row = lower[i]
    open_[i + 1:] = False
    for item in range(uppers.shape[0]):
        upper = uppers[item, i]
        for j in range(i + 1, n):
            open_[j] |= row[j] < upper[j]
    floor = np.int64(-1)
    for _ in range(min(_NEIGHBOURS, n - 1)):
        floor = _least_above(keys[i], keys[i], floor)
        a, b = _ends(floor)
        k = a + b - i
        other, near = lower[k], row[k]
        for j in range(i + 1, n):
            open_[j] &= max(near, other[j]) >= row[j]


@_jit
def _has_witness(keys, i, j, end):
    """Whether {i, j} has a witness among the vertices 0 .. end - 1."""
    row_i, row_j = keys[i], keys[j]
    key = row_i[j]
    begin = 0
    while begin + _BLOCK <= end:
        found = 0
        for k in range(begin, begin + _BLOCK):
            found |= max(row_i[k], row_j[k]) < key
        if found:
            return True
        begin += _BLOCK
    for k in range(begin, end):
        if max(row_i[k], row_j[k]) < key:
            return True
    return False


@_jit
def _least_above(row_i, row_j, floor):
    """min over k of max(row_i[k], row_j[k]) where that is above the floor."""
    least = np.int64(NO_KEY)
    for k in range(row_i.size):
        key = max(row_i[k], row_j[k])
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
    row_i, row_j = keys[i], keys[j]
    own = row_i[j]
    if own == key:
        for k in range(tie + 1, row_i.size):
            if max(row_i[k], row_j[k]) < own:
                return key, k
    elif key & 0xFFFFFFFF:  # a triangle: {i, j} may be in another of its edge
        a, b = _ends(key)
        k = a + b - i if a == i or b == i else a + b - j
        if a == i or b == i or a == j or b == j:
            v = _opposite(key, i, j)
            if v > tie and max(row_i[k], row_j[k]) == key:
                return key, v
    key = _least_above(row_i, row_j, key)
    return key, (_opposite(key, i, j) if key != NO_KEY else np.int64(0))


@_jit
def _reduce(keys, upper, candidates):
    """Bars of one pair, [b, 3]: its relation (key, tie) and its birth's key.

    The candidates are taken from the youngest to the oldest. The coboundary
    of each is reduced until its smallest relation is no other column's.
    """
    bits = upper.view(np.int32)
    table = _table(candidates.size)
    heap = np.empty((64, 3), np.int64)
    column = np.empty(64, np.int64)
    pool = np.empty(2 * candidates.size + 64, np.int64)
    starts = np.zeros(candidates.size + 1, np.int64)
    columns = 0
    bars = np.empty((candidates.size, 3), np.int64)
    num_bars = 0
    for place in range(candidates.size - 1, -1, -1):
        birth = candidates[place]
        i, j = _ends(birth)
        name = birth & 0xFFFFFFFF
        cap = _cap(bits, i, j)
        if cap < birth:  # lower == upper: it ends when it is born
            continue
        # No other column has the cap, so that the pivot is at most the cap.
        key, tie = _least_above(keys[i], keys[j], birth), name
        if key >= cap:
            key = cap
        else:
            tie = _opposite(key, i, j)
            owner = _owner(keys, bits, table, key, tie)
            added = 0
            if owner != _NOBODY:
                heap[0, 0], heap[0, 1], heap[0, 2] = key, tie, name
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
    return bars[:num_bars]


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
            heap = _grow_rows(heap)
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
        if key & 0xFFFFFFFF:  # after its cap an edge has no entry of its own
            i, j = _ends(edge)
            next_key, next_tie = _next_triangle(keys, i, j, key, tie)
        if next_key >= cap:
            size -= 1
            next_key, next_tie, edge = heap[size]
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
        heap[place] = heap[parent]
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
        heap[place] = heap[child]
        place = child
    heap[place, 0], heap[place, 1], heap[place, 2] = key, tie, edge


@_jit
def _table(columns):
    """Open hash table (keys, ties, columns); no relation's key is 0."""
    size = 64
    while size < 2 * columns:
        size *= 2
    return (np.zeros(size, np.int64), np.empty(size, np.int64),
            np.empty(size, np.int64))


@_jit
def _find(table, key, tie):
    """The place of a relation, or the free one where it belongs."""
    keys, ties, _ = table
    mixed = (np.uint64(key) + (np.uint64(tie) << np.uint64(17))) \
        * np.uint64(0x9E3779B97F4A7C15)
    last = keys.size - 1
    place = np.int64(mixed >> np.uint64(32)) & last
    while keys[place] and not (keys[place] == key and ties[place] == tie):
        place = (place + 1) & last
    return place


@_jit
def _insert(table, key, tie, column):
    place = _find(table, key, tie)
    table[0][place], table[1][place] = key, tie
    table[2][place] = column


@_jit
def _owner(keys, bits, table, key, tie):
    """Whose pivot a relation is: a column's, its own edge's or nobody's.

    A triangle is the pivot of its youngest edge if it is the smallest that
    the edge is youngest in, unless the edge's cap comes before.
    """
    if key & 0xFFFFFFFF:
        a, b = _ends(key)
        if _cap(bits, a, b) > key and not _has_witness(keys, a, b, tie):
            return _OWN_EDGE
    place = _find(table, key, tie)
    return table[2][place] if table[0][place] else _NOBODY


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
def _write(bars, places, points, birth_edges, death_edges, capped):
    """Entries of the longest bars, as many as there are places."""
    order = np.empty(bars.shape[0], np.int64)
    length = np.empty(2, np.int32)
    value = length.view(np.float32)
    for b in range(order.size):
        length[0], length[1] = bars[b, 0] >> 32, bars[b, 2] >> 32
        value[0] -= value[1]
        # Longest first, then the oldest, which is the last.
        order[b] = (np.int64(_NO_SIGN - length[0]) << 32) | (order.size - b)
    order = _sort(order)
    for place in range(places):
        b = order.size - (order[place] & 0xFFFFFFFF)
        key, tie, birth = bars[b]
        capped[place] = key & 0xFFFFFFFF == 0
        for edges, edge in ((birth_edges, birth),
                            (death_edges, tie if capped[place] else key)):
            i, j = _ends(edge)
            edges[place, 0], edges[place, 1] = points[i], points[j]


@_jit
def _sort(values):
    """Ascending. In its own words: NumPy's takes seconds to compile."""
    values, spare = values.copy(), np.empty_like(values)
    run = 16
    for begin in range(0, values.size, run):
        for place in range(begin + 1, min(begin + run, values.size)):
            value = values[place]
            while place > begin and values[place - 1] > value:
                values[place] = values[place - 1]
                place -= 1
            values[place] = value
    while run < values.size:
        for begin in range(0, values.size, 2 * run):
            _merge(values, spare, begin, min(begin + run, values.size),
                   min(begin + 2 * run, values.size))
        values, spare = spare, values
        run *= 2
    return values


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
    larger = np.empty(2 * array.size, array.dtype)
    larger[:array.size] = array
    return larger


@_jit
def _grow_rows(array):
    larger = np.empty((2 * array.shape[0], array.shape[1]), array.dtype)
    larger[:array.shape[0]] = array
    return larger
