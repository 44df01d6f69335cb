"""Reduced columns, and whose a pivot is."""

import numpy as np

from topdis_jax.topology.engines.kernels.decorators import njit, without_counts
from topdis_jax.topology.engines.kernels.edges import cap_of, ends_of
from topdis_jax.topology.engines.kernels.sorting import sort_part
from topdis_jax.topology.engines.kernels.triangles import first_witness

# Whose pivot a relation is, if no column's that is kept.
NOBODY, OWN_EDGE = -1, -2


@njit
def new_table(columns):
    """Open hash table [size, 3] of (key, tie, column); no key is 0."""
    size = 64
    while size < 2 * columns:
        size *= 2
    return np.zeros((size, 3), np.int64)


@without_counts
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


@without_counts
def insert(table, key, tie, column):
    """Writes down which column has this relation as its pivot."""
    place = _find(table, key, tie)
    table[place, 0], table[place, 1], table[place, 2] = key, tie, column


@without_counts
def owner_of(keys, bits, table, key, tie):
    """Whose pivot a relation is: a column's, its own edge's or nobody's.

    A triangle is the pivot of its youngest edge if it is the smallest that
    the edge is youngest in, unless the edge's cap comes before.
    """
    if key & 0xFFFFFFFF:
        a, b = ends_of(key)
        if cap_of(bits, a, b) > key and first_witness(keys, a, b, 0, tie) < 0:
            return OWN_EDGE
    place = _find(table, key, tie)
    return table[place, 2] if table[place, 0] else np.int64(NOBODY)


@without_counts
def store(column, size, pool, starts, columns):
    """Keeps a column: the edges that are there an odd number of times."""
    used = starts[columns]
    last = used + size
    for place in range(size):
        pool[used + place] = column[place]
    sort_part(pool, used, last)
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
