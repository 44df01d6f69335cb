"""One column is reduced: the next relations of its edges lie in a heap."""

import numpy as np

from topdis_jax.topology.engines.kernels.columns import (
    NOBODY, OWN_EDGE, owner_of)
from topdis_jax.topology.engines.kernels.decorators import (
    inlined, without_counts)
from topdis_jax.topology.engines.kernels.edges import cap_of, ends_of, NO_KEY
from topdis_jax.topology.engines.kernels.triangles import (
    first_triangle, least_above, next_triangle, opposite)


@without_counts
def first_pivot(keys, bits, table, birth, cap):
    """The pivot of a candidate's coboundary, and whose it is.

    No other column has the cap, so that the pivot is at most the cap.
    """
    i, j = ends_of(birth)
    key = least_above(keys[i], keys[j], birth)
    if key >= cap:
        return cap, birth & 0xFFFFFFFF, np.int64(NOBODY)
    tie = opposite(key, i, j)
    return key, tie, owner_of(keys, bits, table, key, tie)


@inlined
def num_edges(starts, owner):
    """How many edges the owner's column has."""
    return 1 if owner == OWN_EDGE else starts[owner + 1] - starts[owner]


@inlined
def forget(minima, place):
    """Marks the minima of this edge of a column as not known."""
    if minima.shape[1]:
        minima[place, 0] = 0


@without_counts
def reduce_column(keys, bits, table, pool, starts, cap, key, tie, owner,
                  column, size, minima, heap, heap_size, moves, stop):
    """Adds columns until the pivot is nobody's, or there is no room for one.

    Args:
      key, tie, owner: the pivot, and whose column there is room for.
      column: its edges are column[:size], the candidate first.
      heap: the next relation of each edge, from the pivot on, and the edge's
        place in the column.
      moves: how many it may take.

    Returns:
      (key, tie, owner, size, heap_size, moves); with a negative number of
      moves, the column is not complete.
    """
    name = column[0]
    while owner != NOBODY and moves >= 0 and not stop[0]:
        more = num_edges(starts, owner)
        if size + more > column.size or heap_size + 2 * more > heap.shape[0]:
            break
        moves -= more
        for place in range(more):
            column[size] = (key & 0xFFFFFFFF if owner == OWN_EDGE
                            else pool[starts[owner] + place])
            forget(minima, size)
            heap_size = _add(keys, bits, column, size, key, tie, cap, minima,
                             heap, heap_size)
            size += 1
        key, tie, heap_size, moves = _next_pivot(
            keys, column, key, tie, cap, minima, heap, heap_size, moves)
        if key == NO_KEY:
            key, tie, owner = cap, name, np.int64(NOBODY)
        else:
            owner = owner_of(keys, bits, table, key, tie)
    return key, tie, owner, size, heap_size, moves


@inlined
def _add(keys, bits, column, place, key, tie, cap, minima, heap, size):
    """Adds an edge's relations between (key, tie) and the cap of column[0].

    All that is below cancels, and so does (key, tie) itself.
    """
    edge, name = column[place], column[0]
    i, j = ends_of(edge)
    next_key, next_tie = first_triangle(keys, i, j, key, tie, minima[place])
    if next_key < cap:
        _sift_up(heap, size, next_key, next_tie, place)
        size += 1
    own = cap_of(bits, i, j)
    if _before(key, tie, own, edge) and _before(own, edge, cap, name):
        _sift_up(heap, size, own, edge, place)
        size += 1
    return size


@inlined
def _next_pivot(keys, column, key, tie, cap, minima, heap, size, moves):
    """The smallest relation above (key, tie) that is there an odd number of
    times, with the heap's size and the moves left. Its key is NO_KEY if there
    is none."""
    size, times = _advance(keys, column, key, tie, cap, minima, heap, size)
    moves -= times
    while size and moves >= 0:
        key, tie = heap[0, 0], heap[0, 1]
        is_single = True
        for child in range(1, min(size, 3)):
            is_single &= heap[child, 0] != key or heap[child, 1] != tie
        if is_single:  # the usual case; mostly nobody's, and no need to go on
            return key, tie, size, moves
        size, times = _advance(keys, column, key, tie, cap, minima, heap,
                               size)
        moves -= times
        if times & 1:
            return key, tie, size, moves
    return np.int64(NO_KEY), tie, size, moves


@inlined
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
            i, j = ends_of(column[place])
            next_key, next_tie = next_triangle(keys, i, j, key, tie,
                                               minima[place])
        if next_key >= cap:
            size -= 1
            next_key, next_tie = heap[size, 0], heap[size, 1]
            place = heap[size, 2]
        if size:
            _sift_down(heap, size, next_key, next_tie, place)
    return size, times


@inlined
def _before(key, tie, other_key, other_tie):
    return key < other_key or (key == other_key and tie < other_tie)


@inlined
def _sift_up(heap, place, key, tie, member):
    while place > 0:
        parent = (place - 1) >> 1
        if not _before(key, tie, heap[parent, 0], heap[parent, 1]):
            break
        for part in range(3):
            heap[place, part] = heap[parent, part]
        place = parent
    heap[place, 0], heap[place, 1], heap[place, 2] = key, tie, member


@inlined
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
