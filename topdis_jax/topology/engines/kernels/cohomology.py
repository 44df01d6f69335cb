"""The first way: columns are reduced, from the youngest edge to the oldest."""

import numpy as np

from topdis_jax.topology.engines.kernels.arrays import borrowed, grow
from topdis_jax.topology.engines.kernels.bits import num_words
from topdis_jax.topology.engines.kernels.columns import (
    insert, new_table, NOBODY, store)
from topdis_jax.topology.engines.kernels.decorators import inlined_once, njit
from topdis_jax.topology.engines.kernels.edges import cap_of, ends_of, NO_KEY
from topdis_jax.topology.engines.kernels.limits import MAX_WORDS
from topdis_jax.topology.engines.kernels.reduction import (
    first_pivot, forget, num_edges, reduce_column)
from topdis_jax.topology.engines.kernels.triangles import num_minima


@inlined_once
def cohomology(keys, upper, candidates, moves, growth, most, stop):
    """(whether they were found, bars of one pair).

    Bars are [b, 3]: the relation that ends it (key, tie) and its birth's key.
    The candidates are taken from the youngest to the oldest. The coboundary
    of each is reduced until its smallest relation is no other column's.
    """
    bars = np.empty((candidates.size, 3), np.int64)
    if num_words(candidates.size) * candidates.size > MAX_WORDS:
        moves = most = np.int64(NO_KEY >> 1)  # no other way
    num_bars = _cohomology_into(
        bars, keys, upper.view(np.int32), candidates,
        new_table(candidates.size), np.empty((64, 3), np.int64),
        np.empty(64, np.int64),
        np.empty((64, num_minima(keys.shape[0])), np.int64),
        np.empty(2 * candidates.size + 64, np.int64),
        np.zeros(candidates.size + 1, np.int64), moves, growth, most, stop)
    return num_bars >= 0, bars[:max(num_bars, 0)]


@njit
def _cohomology_into(bars, keys, bits, candidates, table, heap, column,
                     minima, pool, starts, moves, growth, most, stop):
    """Returns the number of bars, or -1 if it takes more moves.

    Args:
      moves, growth, most: see `limits.moves_of`.
    """
    bars, keys, bits = borrowed(bars), borrowed(keys), borrowed(bits)
    heap, column = borrowed(heap), borrowed(column)
    pool, starts = borrowed(pool), borrowed(starts)
    table, minima = borrowed(table), borrowed(minima)
    columns, num_bars, spent = 0, 0, 0
    for place in range(candidates.size - 1, -1, -1):
        birth = candidates[place]
        i, j = ends_of(birth)
        name = birth & 0xFFFFFFFF
        cap = cap_of(bits, i, j)
        if cap < birth:  # lower == upper: it ends when it is born
            continue
        key, tie, owner = first_pivot(keys, bits, table, birth, cap)
        column[0], size, heap_size = name, 1, 1
        heap[0, 0], heap[0, 1], heap[0, 2] = key, tie, 0
        forget(minima, 0)
        done = (candidates.size - 1 - place) / candidates.size
        allowed = left = min(moves + np.int64(growth * done**8) - spent, most)
        while owner != NOBODY:
            more = num_edges(starts, owner)
            while size + more > column.size:
                column, minima = grow(column), grow(minima)
            while heap_size + 2 * more > heap.shape[0]:
                heap = grow(heap)
            key, tie, owner, size, heap_size, left = reduce_column(
                keys, bits, table, pool, starts, cap, key, tie, owner, column,
                size, minima, heap, heap_size, left, stop)
            if left < 0 or stop[0]:
                return -1
        spent += allowed - left
        if key != cap or tie != name:
            while starts[columns] + size > pool.size:
                pool = grow(pool)
            insert(table, key, tie, columns)
            store(column, size, pool, starts, columns)
            columns += 1
        if key >> 32 > birth >> 32:
            bars[num_bars, 0], bars[num_bars, 1] = key, tie
            bars[num_bars, 2] = birth
            num_bars += 1
    return num_bars
